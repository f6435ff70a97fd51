"""The rules, in plain words. docs/lint.md has a bad and a good example of each.

Their ids are those of Spectral's ruleset `spectral:oas`, else of Redocly's linter, where one of them has the rule; all others are ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


def _(sentence: str) -> str:
    """Marks a sentence for translation; whoever shows it translates it, this module knows no framework."""
    return sentence


class Severity(StrEnum):
    """An error misleads callers, a warning lets them down, a hint would be nicer."""

    ERROR = "error"
    WARNING = "warning"
    HINT = "hint"


class Choice(StrEnum):
    """What a tenant makes of a rule."""

    OFF = "off"
    ON = "on"
    BLOCKS = "blocks"


@dataclass(frozen=True, slots=True)
class Rule:
    """`title` is what should be so, `mend` why, and how to come there; `says` tells one finding, with placeholders."""

    id: str
    severity: Severity
    title: str
    mend: str
    says: str
    unless_chosen: Choice = Choice.ON


ERROR, WARNING, HINT = Severity
_ALL = (
    # --- the document
    Rule(
        "info-description", WARNING,
        _("The document says what the API is for"),
        _("It is the first thing that developers read. Write into “description” under “info” what the API does, and for whom."),
        _("“info” has no description."),
    ),
    Rule(
        "info-contact", HINT,
        _("The document says whom to ask"),
        _("Whoever gets stuck needs an address. Write a name with an e-mail address or a page into “contact” under “info”."),
        _("“info” has no contact."),
    ),
    Rule(
        "servers-ignored", HINT,
        _("The document names no servers of its own"),
        _(
            "Callers reach the API at the gateway's address, and the gateway calls the upstream that you name here. What stands under "
            "“servers” is ignored and misleads readers: leave it out."
        ),
        _("The server %(address)s is ignored."),
    ),
    Rule(
        "operation-security", ERROR,
        _("Operations say what a caller has to prove"),
        _(
            "Without “security” the document says that everybody may call, and generated clients send no credential; yet the gateway lets "
            "nobody in without one. Name a scheme under “security”, of the document or of the operation."
        ),
        _("%(operation)s asks callers for nothing."),
    ),
    Rule(
        "oas3-operation-security-defined", ERROR,
        _("What a caller has to prove is described"),
        _("Nobody can use a scheme that is not described. Describe it in “securitySchemes” under “components”, or mend its name."),
        _("“security” names what is not described: %(names)s."),
    ),
    # --- paths
    Rule(
        "path-keys-no-trailing-slash", WARNING,
        _("Paths don't end with a slash"),
        _("To the gateway a path with a slash at its end is another one than the path without, and callers easily take the wrong one."),
        _("The path %(path)s ends with a slash."),
    ),
    Rule(
        "paths-kebab-case", WARNING,
        _("Paths are written in lower case, with hyphens between words"),
        _(
            "Upper and lower case are different paths, so one way of writing saves callers from guessing: /order-lines, not /orderLines or "
            "/order_lines. Parameters in braces are not meant."
        ),
        _("In the path %(path)s, “%(segment)s” is written otherwise."),
    ),
    Rule(
        "path-segment-plural", HINT,
        _("What an id stands behind is named in the plural"),
        _("/orders/{id} reads as one of many orders: write /orders, not /order. The rule knows English alone, so it is off at first."),
        _("In the path %(path)s, “%(segment)s” is not in the plural."),
        unless_chosen=Choice.OFF,
    ),
    Rule(
        "no-verbs-in-paths", WARNING,
        _("Paths name things, not actions"),
        _("The method says what is done. Write POST /orders, not /createOrder, and DELETE /orders/{id}, not /orders/{id}/delete."),
        _("In the path %(path)s, “%(segment)s” is an action."),
    ),
    Rule(
        "no-identical-paths", WARNING,
        _("No two paths differ by the names of parameters alone"),
        _("/orders/{id} and /orders/{order} are one path to callers and to the gateway. Put their methods under one path, with one name."),
        _("The path %(path)s differs from %(other)s by the names of parameters alone."),
    ),
    # --- operations
    Rule(
        "operation-summary", WARNING,
        _("Operations have a summary"),
        _("It stands for the operation in the catalogue and in every list. Say in a few words what it does: “List orders”."),
        _("%(operation)s has no summary."),
    ),
    Rule(
        "operation-summary-unique", HINT,
        _("No two operations have the same summary"),
        _("In a list they can't be told apart. Say what is different: “List orders”, “List the orders of a customer”."),
        _("%(operation)s has the summary of %(other)s."),
    ),
    Rule(
        "operation-description", HINT,
        _("Operations have a description"),
        _("A summary names the operation; “description” says what else callers have to know: what it changes, its limits, what is next."),
        _("%(operation)s has no description."),
    ),
    Rule(
        "operation-operationId", WARNING,
        _("Operations have an id"),
        _("Generated clients name their functions after it; without one, Portico makes it up. Write an “operationId” such as listOrders."),
        _("%(operation)s has no operationId."),
    ),
    Rule(
        "operation-operationId-style", HINT,
        _("Ids of operations are written in one way"),
        _("They become the names of functions. Write all of them as most are: all listOrders, or all list_orders."),
        _("The operationId %(name)s is not written as most are, such as %(other)s."),
    ),
    Rule(
        "operation-operationId-valid-in-url", WARNING,
        _("Ids of operations fit into an address"),
        _("Documentation links to operations by their ids. Use letters, digits, hyphens, underscores and dots."),
        _("The operationId %(name)s has characters that an address can't hold."),
    ),
    Rule(
        "operation-tags", HINT,
        _("Operations have a tag"),
        _("The catalogue groups operations by their first tag, and those without one by their path. Give each operation a tag."),
        _("%(operation)s has no tag."),
    ),
    Rule(
        "operation-tag-defined", WARNING,
        _("Tags of operations are described"),
        _("Groups stand in the order of “tags” of the document, with what is said there. Add the tag there, or mend its spelling."),
        _("%(operation)s has tags that the document does not describe: %(names)s."),
    ),
    Rule(
        "tag-description", HINT,
        _("Tags have a description"),
        _("It stands above the operations of a group and says what they are about. Write it into “description” of the tag."),
        _("The tag “%(name)s” has no description."),
    ),
    Rule(
        "operation-deprecated-instead", WARNING,
        _("What is deprecated says what to use instead"),
        _("Whoever calls it wants to know where to go. Name what takes its place in the description, or say that nothing does."),
        _("%(operation)s is deprecated and does not say what to use instead."),
    ),
    # --- what is sent and answered
    Rule(
        "oas3-parameter-description", WARNING,
        _("Parameters have a description"),
        _("A name and a type say little. Write into “description” what it chooses, in which unit, and what holds without it."),
        _("The parameter %(name)s has no description."),
    ),
    Rule(
        "parameter-name-style", HINT,
        _("Names of parameters are written in one way"),
        _("Write all of them as most are: all pageSize, or all page_size. Headers are not meant."),
        _("The parameter %(name)s is not written as most are, such as %(other)s."),
    ),
    Rule(
        "operation-success-response", WARNING,
        _("Operations say what comes back when all is well"),
        _("Callers have to know what they get. Describe at least one response from 200 to 399."),
        _("%(operation)s describes no success."),
    ),
    Rule(
        "operation-4xx-response", WARNING,
        _("Operations say how they refuse"),
        _("Callers have to know what comes back when they are wrong. Describe a response from 400 to 499, or “default”."),
        _("%(operation)s describes no error."),
    ),
    Rule(
        "request-example", WARNING,
        _("Request bodies have an example"),
        _("It is what developers copy first. Write “example” or “examples” beside the schema, or into it."),
        _("The body of %(operation)s has no example as %(type)s."),
    ),
    Rule(
        "response-example", WARNING,
        _("Responses have an example"),
        _("Developers see what comes back before they call. Write “example” or “examples” beside the schema, or into it."),
        _("The response %(status)s of %(operation)s has no example as %(type)s."),
    ),
    # --- schemas and components
    Rule(
        "schema-type", WARNING,
        _("Schemas have a type"),
        _("Without one anything fits, and generated clients hand on a value they know nothing of. Write “type”, such as object or string."),
        _("A schema has no type."),
    ),
    Rule(
        "no-$ref-siblings", WARNING,
        _("Nothing stands beside a reference"),
        _("In OpenAPI 3.0 most tools ignore what stands beside “$ref”, and some don't. Move it to where the reference leads."),
        _("Beside this reference stands what is ignored: %(names)s."),
    ),
    Rule(
        "oas3-unused-component", HINT,
        _("Every component is used"),
        _("What nothing leads to is read by nobody and grows old unseen. Leave it out, or refer to it."),
        _("Nothing uses %(name)s."),
    ),
)  # fmt: skip
# By id, in the order in which they are shown.
RULES: Mapping[str, Rule] = {rule.id: rule for rule in _ALL}


def chosen(differing: Mapping[str, str]) -> dict[str, Choice]:
    """What holds for each rule.

    :param differing: by id, what a tenant chose otherwise. What names no rule any more is passed over.
    """
    return {rule.id: Choice(differing.get(rule.id, rule.unless_chosen)) for rule in RULES.values()}
