"""Every rule, by its id. docs/differences.md lists them for people; a test holds both to each other."""

from apis.differences.levels import Direction, Effect, Level, Rule, Word
from apis.differences.levels import mark as _

# What a value is when nothing is said about it.
NONE = Word(_("nothing"))
ANY = Word(_("any"))

SET = _("%(place)s has %(word)s %(now)s now; it had none.")
UNSET = _("%(place)s no longer has %(word)s %(was)s.")
CHANGED = _("%(place)s has %(word)s %(now)s now; it had %(was)s.")
GIVEN = _("%(place)s has %(word)s now.")
TAKEN = _("%(place)s no longer has %(word)s.")
ANOTHER = _("%(place)s has another %(word)s now.")
ONE_OF = _("%(place)s can only be %(values)s now.")
ANYTHING = _("%(place)s can be anything now; it was one of %(values)s.")
MORE = _("%(place)s can be %(values)s as well now.")
FEWER = _("%(place)s can no longer be %(values)s.")
NEW = _("%(place)s is new.")
NEW_AND_REQUIRED = _("%(place)s is new and required.")
GONE = _("%(place)s is gone.")
REQUIRED = _("%(place)s is required now.")
OPTIONAL = _("%(place)s is optional now.")

# From the words of a schema whose value limits to what the middle of their rules' ids is, and whether more of it lets more through.
LIMITS = {
    "maximum": ("max", True),
    "minimum": ("min", False),
    "exclusiveMaximum": ("exclusive-max", True),
    "exclusiveMinimum": ("exclusive-min", False),
    "maxLength": ("max-length", True),
    "minLength": ("min-length", False),
    "maxItems": ("max-items", True),
    "minItems": ("min-items", False),
    "maxProperties": ("max-properties", True),
    "minProperties": ("min-properties", False),
    "maxContains": ("max-contains", True),
    "minContains": ("min-contains", False),
}
# Words whose value is a condition of its own: with it less fits, and of another one nobody can say what.
CONDITIONS = {
    "not": "not",
    "if": "if",
    "then": "then",
    "else": "else",
    "contains": "contains",
    "propertyNames": "property-names",
    "dependentRequired": "dependent-required",
    "dependentSchemas": "dependent-schema",
    "unevaluatedItems": "unevaluated-items",
    "unevaluatedProperties": "unevaluated-properties",
    "contentSchema": "content-schema",
}
# Words that say how a value is written.
WRITTEN = {"contentMediaType": "content-media-type", "contentEncoding": "content-encoding"}

# What may happen to a schema, wherever it stands: what comes after its subject in the rule's id.
ASPECTS: dict[str, tuple[Effect, str]] = {
    "type-generalized": (Effect.WIDENS, CHANGED),
    "type-specialized": (Effect.NARROWS, CHANGED),
    "type-changed": (Effect.INCOMPARABLE, CHANGED),
    "format-added": (Effect.NARROWS, SET),
    "format-removed": (Effect.WIDENS, UNSET),
    "format-generalized": (Effect.WIDENS, CHANGED),
    "format-specialized": (Effect.NARROWS, CHANGED),
    "format-changed": (Effect.INCOMPARABLE, CHANGED),
    "became-nullable": (Effect.WIDENS, _("%(place)s can be null now.")),
    "became-not-nullable": (Effect.NARROWS, _("%(place)s can no longer be null.")),
    "became-enum": (Effect.NARROWS, ONE_OF),
    "became-not-enum": (Effect.WIDENS, ANYTHING),
    "enum-value-added": (Effect.WIDENS, MORE),
    "enum-value-removed": (Effect.NARROWS, FEWER),
    "x-extensible-enum-value-added": (Effect.NONE, MORE),
    "x-extensible-enum-value-removed": (Effect.NARROWS, FEWER),
    "const-added": (Effect.NARROWS, SET),
    "const-removed": (Effect.WIDENS, UNSET),
    "const-changed": (Effect.INCOMPARABLE, CHANGED),
    **{
        f"{name}-{what}": (Effect.NARROWS if narrows else Effect.WIDENS, sentence)
        for name, upper in LIMITS.values()
        for what, narrows, sentence in (
            ("set", True, SET),
            ("unset", False, UNSET),
            ("decreased", upper, CHANGED),
            ("increased", not upper, CHANGED),
        )
    },
    "pattern-added": (Effect.NARROWS, SET),
    "pattern-removed": (Effect.WIDENS, UNSET),
    "pattern-generalized": (Effect.WIDENS, CHANGED),
    "pattern-changed": (Effect.UNKNOWN, CHANGED),
    "multiple-of-set": (Effect.NARROWS, SET),
    "multiple-of-unset": (Effect.WIDENS, UNSET),
    "multiple-of-generalized": (Effect.WIDENS, CHANGED),
    "multiple-of-specialized": (Effect.NARROWS, CHANGED),
    "multiple-of-changed": (Effect.INCOMPARABLE, CHANGED),
    "unique-items-set": (Effect.NARROWS, _("%(place)s can hold no item twice now.")),
    "unique-items-unset": (Effect.WIDENS, _("%(place)s can hold an item twice now.")),
    "additional-properties-removed": (Effect.NARROWS, _("%(place)s can have no properties beside the named ones now.")),
    "additional-properties-added": (Effect.WIDENS, _("%(place)s can have properties beside the named ones now.")),
    "pattern-property-added": (Effect.NARROWS, NEW),
    "pattern-property-removed": (Effect.WIDENS, GONE),
    "became-union": (Effect.NARROWS, ONE_OF),
    "became-not-union": (Effect.WIDENS, ANYTHING),
    "one-of-added": (Effect.WIDENS, MORE),
    "one-of-removed": (Effect.NARROWS, FEWER),
    "any-of-added": (Effect.WIDENS, MORE),
    "any-of-removed": (Effect.NARROWS, FEWER),
    "discriminator-added": (Effect.NONE, SET),
    "discriminator-removed": (Effect.NONE, UNSET),
    "discriminator-property-name-changed": (Effect.UNKNOWN, CHANGED),
    "discriminator-mapping-added": (Effect.NONE, SET),
    "discriminator-mapping-deleted": (Effect.UNKNOWN, UNSET),
    "discriminator-mapping-changed": (Effect.UNKNOWN, CHANGED),
    **{
        f"{name}-{what}": (effect, sentence)
        for name in CONDITIONS.values()
        for what, effect, sentence in (
            ("added", Effect.NARROWS, _("%(place)s has to meet the condition %(word)s now.")),
            ("removed", Effect.WIDENS, _("%(place)s no longer has to meet the condition %(word)s.")),
            ("changed", Effect.UNKNOWN, _("%(place)s has to meet another condition %(word)s now.")),
        )
    },
    # Each name that is another one asks for something else.
    "dependent-required-changed": (Effect.INCOMPARABLE, _("%(place)s has to meet another condition %(word)s now.")),
    **{f"{name}-changed": (Effect.INCOMPARABLE, CHANGED) for name in WRITTEN.values()},
    "default-value-added": (Effect.NONE, SET),
    "default-value-removed": (Effect.NONE, UNSET),
    "default-value-changed": (Effect.NONE, CHANGED),
    "deprecated": (Effect.NONE, _("%(place)s is deprecated now.")),
    "reactivated": (Effect.NONE, _("%(place)s is no longer deprecated.")),
    "changed": (Effect.UNKNOWN, ANOTHER),
}

# Where a schema can stand: what a rule's id begins with.
SUBJECTS = {
    "request-body": Direction.REQUEST,
    "request-property": Direction.REQUEST,
    "request-parameter": Direction.REQUEST,
    "request-parameter-property": Direction.REQUEST,
    "response-body": Direction.RESPONSE,
    "response-property": Direction.RESPONSE,
    "response-header": Direction.RESPONSE,
}
# What a schema that stands within one of these is.
INSIDE = {
    "request-body": "request-property",
    "request-parameter": "request-parameter-property",
    "response-body": "response-property",
    "response-header": "response-property",
}

# What may happen to a property, by where it stands: subject, what happens, the rule's id, level and sentence.
READ_ONLY = _("%(place)s is read-only now.")
NOT_READ_ONLY = _("%(place)s is no longer read-only.")
WRITE_ONLY = _("%(place)s is write-only now.")
NOT_WRITE_ONLY = _("%(place)s is no longer write-only.")
NOT_ALLOWED = _("%(place)s is gone, and properties beside the named ones are not allowed.")


def _of_requests(subject: str) -> dict[tuple[str, str], Rule]:
    rules = {
        "added-required": (f"new-required-{subject}", Level.BREAKING, NEW_AND_REQUIRED),
        "added-optional": (f"new-optional-{subject}", Level.SAFE, NEW),
        "removed": (f"{subject}-removed", Level.RISKY, GONE),
        "removed-closed": (f"{subject}-removed-from-closed-object", Level.BREAKING, NOT_ALLOWED),
        "became-required": (f"{subject}-became-required", Level.BREAKING, REQUIRED),
        "became-optional": (f"{subject}-became-optional", Level.SAFE, OPTIONAL),
    }
    return {(subject, what): Rule(*rule) for what, rule in rules.items()}


def _of_visibility() -> dict[tuple[str, str], Rule]:
    """Who writes and who reads a property: for a caller it comes or goes."""
    levels = {
        ("request", "required", "became-read-only"): Level.RISKY,
        ("request", "optional", "became-read-only"): Level.RISKY,
        ("request", "required", "became-not-read-only"): Level.BREAKING,
        ("response", "required", "became-write-only"): Level.BREAKING,
        ("response", "required", "became-not-write-only"): Level.RISKY,
    }
    sentences = {
        "became-read-only": READ_ONLY,
        "became-not-read-only": NOT_READ_ONLY,
        "became-write-only": WRITE_ONLY,
        "became-not-write-only": NOT_WRITE_ONLY,
    }
    return {
        (f"{side}-property", f"{need}-{what}"): Rule(f"{side}-{need}-property-{what}", levels.get((side, need, what), Level.SAFE), sentence)
        for side in ("request", "response")
        for need in ("required", "optional")
        for what, sentence in sentences.items()
    }


OF_PROPERTIES: dict[tuple[str, str], Rule] = {
    **_of_requests("request-property"),
    **_of_requests("request-parameter-property"),
    ("response-property", "added-required"): Rule("response-required-property-added", Level.SAFE, NEW_AND_REQUIRED),
    ("response-property", "added-optional"): Rule("response-optional-property-added", Level.SAFE, NEW),
    ("response-property", "removed-required"): Rule("response-required-property-removed", Level.BREAKING, GONE),
    ("response-property", "removed"): Rule("response-optional-property-removed", Level.SAFE, GONE),
    ("response-property", "became-required"): Rule("response-property-became-required", Level.SAFE, REQUIRED),
    ("response-property", "became-optional"): Rule("response-property-became-optional", Level.BREAKING, OPTIONAL),
    **_of_visibility(),
}

# oasdiff's reason: an object in a parameter can be written in several ways, some of which let the change pass.
MILDER = {"request-parameter-property-type-changed": Level.RISKY}

OF_SCHEMAS: dict[tuple[str, str], Rule] = {
    (subject, aspect): Rule(f"{subject}-{aspect}", MILDER.get(f"{subject}-{aspect}", effect.level(direction)), sentence)
    for subject, direction in SUBJECTS.items()
    for aspect, (effect, sentence) in ASPECTS.items()
}

# Of what happens to a schema or to a property, wherever it stands in a request or in a response.
LEVELS: dict[tuple[str, Direction], Level] = {
    **{(aspect, direction): effect.level(direction) for aspect, (effect, _sentence) in ASPECTS.items() for direction in Direction},
    **{(what, SUBJECTS[subject]): rule.level for (subject, what), rule in OF_PROPERTIES.items()},
}

AFTER = _("%(place)s is gone, after it had been deprecated.")
EARLY = _("%(place)s is gone, before its sunset on %(was)s.")
NO_DATE = _("%(place)s is gone, and its sunset was no date: %(was)s.")
EARLIER = _("%(place)s has its sunset on %(now)s now; it was later, on %(was)s.")

OF_OPERATIONS = [
    Rule("endpoint-added", Level.SAFE, _("The operation is new.")),
    Rule("api-removed-without-deprecation", Level.BREAKING, _("The operation is gone, and had not been deprecated.")),
    Rule("api-removed-with-deprecation", Level.RISKY, _("The operation is gone, after it had been deprecated.")),
    Rule("api-removed-before-sunset", Level.BREAKING, _("The operation is gone, before its sunset on %(was)s.")),
    Rule("api-path-sunset-parse", Level.BREAKING, _("The operation is gone, and its sunset was no date: %(was)s.")),
    Rule("endpoint-deprecated", Level.SAFE, _("The operation is deprecated now.")),
    Rule("endpoint-deprecated-with-sunset", Level.SAFE, _("The operation is deprecated now, with its sunset on %(now)s.")),
    Rule("endpoint-reactivated", Level.SAFE, _("The operation is no longer deprecated.")),
    Rule("sunset-added", Level.SAFE, _("The operation's sunset is on %(now)s.")),
    Rule("sunset-deleted", Level.BREAKING, _("The operation no longer has its sunset on %(was)s, and is deprecated still.")),
    Rule("api-sunset-date-changed-too-small", Level.BREAKING, _("The operation's sunset is on %(now)s now; it was later, on %(was)s.")),
    Rule("sunset-postponed", Level.SAFE, _("The operation's sunset is on %(now)s now; it was on %(was)s.")),
    Rule("api-operation-id-removed", Level.SAFE, _("The operation id was %(was)s.")),
    Rule("api-operation-id-added", Level.SAFE, _("The operation has the id %(now)s now.")),
    Rule("api-tag-removed", Level.SAFE, _("The operation no longer has the tag %(was)s.")),
    Rule("api-tag-added", Level.SAFE, _("The operation has the tag %(now)s now.")),
    Rule("callbacks-changed", Level.RISKY, _("The callbacks changed.")),
    Rule("documentation-changed", Level.SAFE, _("The operation's descriptions, examples or notes changed.")),
    Rule("further-breaking-changes", Level.BREAKING, _("There is more that breaks callers than is told here.")),
    Rule("further-risky-changes", Level.RISKY, _("There is more that is risky than is told here.")),
    Rule("further-safe-changes", Level.SAFE, _("There are more changes than are told here.")),
]

OF_SECURITY = [
    Rule("security-became-required", Level.BREAKING, _("Callers have to prove who they are now, by %(now)s.")),
    Rule("security-became-optional", Level.SAFE, _("Callers no longer have to prove who they are.")),
    Rule("api-security-removed", Level.BREAKING, _("Callers can no longer prove who they are by %(was)s.")),
    Rule("api-security-added", Level.SAFE, _("Callers can prove who they are by %(now)s as well.")),
    Rule("api-security-component-type-changed", Level.RISKY, _("The security scheme %(now)s is another one than before.")),
    Rule("api-security-scope-added", Level.BREAKING, _("Callers need more scopes than before: %(now)s.")),
    Rule("api-security-scope-removed", Level.SAFE, _("Callers need fewer scopes than before.")),
]

OF_PARAMETERS = [
    Rule("new-required-request-parameter", Level.BREAKING, NEW_AND_REQUIRED),
    Rule("new-optional-request-parameter", Level.SAFE, NEW),
    Rule("request-parameter-removed", Level.RISKY, GONE),
    Rule("request-parameter-removed-with-deprecation", Level.SAFE, AFTER),
    Rule("request-parameter-removed-before-sunset", Level.BREAKING, EARLY),
    Rule("request-parameter-sunset-parse", Level.BREAKING, NO_DATE),
    Rule("request-parameter-sunset-deleted", Level.BREAKING, _("%(place)s no longer has its sunset on %(was)s, and is deprecated still.")),
    Rule("request-parameter-sunset-date-changed-too-small", Level.BREAKING, EARLIER),
    Rule("request-parameter-became-required", Level.BREAKING, REQUIRED),
    Rule("request-parameter-became-optional", Level.SAFE, OPTIONAL),
    Rule("request-path-parameter-renamed", Level.SAFE, _("The path parameter %(was)s is called %(now)s now.")),
    Rule("request-parameter-style-changed", Level.BREAKING, CHANGED),
    Rule("request-parameter-explode-changed", Level.BREAKING, CHANGED),
    Rule("request-parameter-media-type-changed", Level.BREAKING, CHANGED),
    Rule("request-parameter-became-allow-reserved", Level.SAFE, GIVEN),
    Rule("request-parameter-became-not-allow-reserved", Level.BREAKING, TAKEN),
]

OF_BODIES = [
    Rule("request-body-added-required", Level.BREAKING, _("A request body is new and required.")),
    Rule("request-body-added-optional", Level.SAFE, _("A request body is new.")),
    Rule("request-body-removed", Level.BREAKING, _("The request body is gone.")),
    Rule("request-body-became-required", Level.BREAKING, _("The request body is required now.")),
    Rule("request-body-became-optional", Level.SAFE, _("The request body is optional now.")),
    Rule("request-body-media-type-added", Level.SAFE, NEW),
    Rule("request-body-media-type-removed", Level.BREAKING, GONE),
    Rule("request-body-media-type-name-changed", Level.RISKY, CHANGED),
    Rule("request-body-media-type-schema-added", Level.BREAKING, GIVEN),
    Rule("request-body-media-type-schema-removed", Level.SAFE, TAKEN),
    Rule("request-body-encoding-changed", Level.RISKY, ANOTHER),
]

OF_RESPONSES = [
    Rule("response-success-status-added", Level.SAFE, _("The response %(status)s is new.")),
    Rule("response-success-status-removed", Level.BREAKING, _("The response %(status)s is gone.")),
    Rule("response-non-success-status-added", Level.SAFE, _("The response %(status)s is new.")),
    Rule("response-non-success-status-removed", Level.SAFE, _("The response %(status)s is gone.")),
    Rule("response-header-added", Level.SAFE, NEW),
    Rule("required-response-header-removed", Level.BREAKING, GONE),
    Rule("optional-response-header-removed", Level.RISKY, GONE),
    Rule("response-header-became-required", Level.SAFE, REQUIRED),
    Rule("response-header-became-optional", Level.BREAKING, OPTIONAL),
    Rule("response-media-type-added", Level.SAFE, NEW),
    Rule("response-media-type-removed", Level.BREAKING, GONE),
    Rule("response-media-type-name-changed", Level.RISKY, CHANGED),
    Rule("response-body-media-type-schema-added", Level.SAFE, GIVEN),
    Rule("response-body-media-type-schema-removed", Level.BREAKING, TAKEN),
    Rule("response-body-encoding-changed", Level.RISKY, ANOTHER),
    Rule("response-links-changed", Level.SAFE, _("The links of the response %(status)s changed.")),
]

# Of the whole document, and of where calls go.
OF_THE_REST = [
    Rule("webhook-added", Level.SAFE, _("The webhook %(name)s is new.")),
    Rule("webhook-removed", Level.BREAKING, _("The webhook %(name)s is gone.")),
    Rule("webhook-changed", Level.RISKY, _("The webhook %(name)s changed.")),
    Rule("upstream-changed", Level.RISKY, _("Calls go to %(now)s; they went to %(was)s.")),
    Rule("upstream-added", Level.RISKY, _("Calls go to %(now)s; gateways answered from its examples.")),
    Rule("upstream-removed", Level.RISKY, _("Gateways answer from its examples; calls went to %(was)s.")),
    Rule("upstream-connect-timeout-decreased", Level.RISKY, _("The upstream has %(now)s ms to connect; it had %(was)s.")),
    Rule("upstream-connect-timeout-increased", Level.SAFE, _("The upstream has %(now)s ms to connect; it had %(was)s.")),
    Rule("upstream-timeout-decreased", Level.RISKY, _("The upstream has %(now)s ms to answer; it had %(was)s.")),
    Rule("upstream-timeout-increased", Level.SAFE, _("The upstream has %(now)s ms to answer; it had %(was)s.")),
    Rule("upstream-header-added", Level.SAFE, _("The gateway puts the header %(now)s on each call.")),
    Rule("upstream-header-removed", Level.RISKY, _("The gateway no longer puts the header %(was)s on each call.")),
    Rule("upstream-credential-changed", Level.RISKY, _("The gateway proves itself to the upstream by %(now)s; it did by %(was)s.")),
    Rule("upstream-tls-changed", Level.RISKY, _("The upstream has to prove itself by other authorities, or under another name.")),
    Rule(
        "upstream-client-certificate-added", Level.SAFE, _("The gateway proves itself to the upstream with the client certificate %(now)s.")
    ),
    Rule(
        "upstream-client-certificate-removed",
        Level.RISKY,
        _("The gateway no longer proves itself to the upstream with the client certificate %(was)s."),
    ),
    Rule(
        "upstream-client-certificate-changed",
        Level.RISKY,
        _("The gateway proves itself to the upstream with the client certificate %(now)s; it did with %(was)s."),
    ),
    Rule(
        "upstream-client-certificate-chain-changed",
        Level.RISKY,
        _("Other certificates lead from the gateway's client certificate to its authority."),
    ),
    Rule("upstream-strip-path-changed", Level.RISKY, _("%(now)s is taken off the beginning of paths; it was %(was)s.")),
    Rule("upstream-shares-changed", Level.RISKY, _("Calls are shared by %(now)s; they were by %(was)s.")),
    Rule("upstream-health-check-added", Level.RISKY, _("Only targets that answer checks of their health get calls: %(now)s.")),
    Rule("upstream-health-check-changed", Level.RISKY, _("The health of targets is checked by %(now)s; it was by %(was)s.")),
    Rule("upstream-health-check-removed", Level.RISKY, _("Nobody checks the health of targets any more; it was checked by %(was)s.")),
    Rule("ai-model-added", Level.SAFE, _("The model %(name)s can be asked for.")),
    Rule("ai-model-removed", Level.BREAKING, _("The model %(name)s can no longer be asked for.")),
    Rule("ai-prompt-model-changed", Level.RISKY, _("The prompt %(name)s asks %(now)s; it asked %(was)s.")),
    Rule("ai-prompt-text-changed", Level.RISKY, _("The prompt %(name)s has another text.")),
    Rule("ai-prompt-settings-changed", Level.RISKY, _("The prompt %(name)s asks with %(now)s; it asked with %(was)s.")),
    Rule("ai-mask-added", Level.SAFE, _("What callers send is masked: %(name)s.")),
    Rule("ai-mask-removed", Level.RISKY, _("What callers send is no longer masked: %(name)s.")),
    Rule("ai-pattern-added", Level.SAFE, _("What matches %(now)s is masked as %(name)s.")),
    Rule("ai-pattern-removed", Level.RISKY, _("What matches %(was)s is no longer masked as %(name)s.")),
    Rule("ai-pattern-changed", Level.RISKY, _("What matches %(now)s is masked as %(name)s; it was what matches %(was)s.")),
    Rule("ai-blocked-added", Level.RISKY, _("Calls with one of these are refused: %(names)s.")),
    Rule("ai-blocked-removed", Level.SAFE, _("Calls with one of these are no longer refused: %(names)s.")),
    Rule("ai-body-decreased", Level.RISKY, _("A body has at most %(now)s KiB; it had %(was)s.")),
    Rule("ai-body-increased", Level.SAFE, _("A body has at most %(now)s KiB; it had %(was)s.")),
]

RULES: dict[str, Rule] = {
    rule.id: rule
    for rules in (
        *(OF_OPERATIONS, OF_SECURITY, OF_PARAMETERS, OF_BODIES, OF_RESPONSES, OF_THE_REST),
        *(OF_PROPERTIES.values(), OF_SCHEMAS.values()),
    )
    for rule in rules
}
