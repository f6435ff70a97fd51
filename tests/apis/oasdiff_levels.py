"""The levels of oasdiff's rules, by their ids, as its checker/rules.go had them in 2026: those that Portico has, too.

`{a,b}` stands for each. Its words are ERR, WARN and INFO.
"""

import re
from collections.abc import Iterator

from apis.differences import Level

GIVEN = {
    Level.BREAKING: """
        api-removed-{without-deprecation,before-sunset} api-path-sunset-parse sunset-deleted api-sunset-date-changed-too-small
        api-security-{removed,scope-added} webhook-removed
        new-required-request-parameter request-parameter-{removed-before-sunset,sunset-parse,became-required,sunset-deleted}
        request-parameter-sunset-date-changed-too-small
        request-body-{added-required,removed,became-required,media-type-removed,media-type-schema-added}
        request-{body,property,parameter}-{became-enum,became-not-nullable,enum-value-removed,type-changed,pattern-added}
        request-parameter-property-{became-not-nullable,enum-value-removed,type-specialized}
        request-{property,parameter}-x-extensible-enum-value-removed
        request-{body,property,parameter}-{max,min,exclusive-max,exclusive-min}-set
        request-{body,property,parameter}-{max,exclusive-max,max-length,max-items}-decreased
        request-{body,property,parameter}-{min,exclusive-min,min-length,min-items}-increased
        request-{body,property,parameter}-{max-length,min-items}-set
        request-{body,property}-{max-items,max-properties,multiple-of,unique-items}-set
        request-{body,property}-{max-properties-decreased,min-properties-increased,max-contains-decreased,min-contains-increased}
        request-{body,property}-{multiple-of-changed,const-added,const-changed,one-of-removed,any-of-removed}
        request-{body,property}-{if,then,else,contains,dependent-required,dependent-schema,property-names}-added
        request-{body,property}-{unevaluated-items,unevaluated-properties,content-schema,pattern-property}-added
        request-{body,property}-{dependent-required,content-media-type,content-encoding}-changed
        new-required-request-property request-property-became-required
        response-success-status-removed response-{media-type-removed,body-media-type-schema-removed}
        required-response-header-removed response-header-became-{optional,nullable} response-header-type-{changed,generalized}
        response-required-property-removed response-property-{became-optional,pattern-removed}
        response-{body,property}-{became-nullable,type-changed,type-generalized,const-removed,const-changed}
        response-{body,property}-{max,exclusive-max,max-length,max-items,max-properties,max-contains}-increased
        response-{body,property}-{min,exclusive-min,min-length,min-items,min-properties,min-contains}-decreased
        response-{body,property}-{max-length,min-items,unique-items,multiple-of}-unset
        response-{body,property}-{multiple-of-changed,one-of-added,any-of-added}
        response-{body,property}-{if,then,else,contains,dependent-required,dependent-schema,property-names}-removed
        response-{body,property}-{unevaluated-items,unevaluated-properties,content-schema,pattern-property}-removed
        response-{body,property}-{dependent-required,content-media-type,content-encoding}-changed
    """,
    Level.RISKY: """
        request-parameter-{removed,pattern-changed,property-type-changed} request-property-{removed,pattern-changed}
        optional-response-header-removed response-property-{pattern-changed,enum-value-added}
        response-required-property-became-not-write-only
    """,
    Level.SAFE: """
        endpoint-{added,deprecated,deprecated-with-sunset,reactivated} api-removed-with-deprecation
        api-operation-id-{removed,added} api-tag-{removed,added} webhook-added
        api-security-{added,scope-removed,component-type-changed}
        new-optional-request-parameter request-parameter-{removed-with-deprecation,became-optional,deprecated,reactivated}
        request-body-{added-optional,became-optional,media-type-added,media-type-schema-removed}
        request-{body,property,parameter}-{became-nullable,type-generalized} request-parameter-property-became-nullable
        request-{property,parameter}-{enum-value-added,pattern-removed,pattern-generalized}
        request-parameter-property-{enum-value-added,type-generalized}
        request-{body,property,parameter}-default-value-{added,changed,removed}
        request-{body,property,parameter}-{max,exclusive-max}-increased request-{body,property,parameter}-{min,exclusive-min}-decreased
        request-{body,property,parameter}-{max-length,max-items}-increased request-{body,property,parameter}-min-length-decreased
        request-parameter-min-items-decreased
        request-{body,property}-{max-properties-increased,max-contains-increased,min-contains-decreased}
        request-{body,property}-{unique-items-unset,multiple-of-unset,multiple-of-generalized,const-removed}
        request-{body,property}-{one-of-added,any-of-added}
        request-{body,property}-{if,then,else,contains,dependent-required,dependent-schema,property-names}-removed
        request-{body,property}-{unevaluated-items,unevaluated-properties,content-schema,pattern-property}-removed
        request-{body,property}-discriminator-{added,removed,property-name-changed,mapping-added,mapping-deleted,mapping-changed}
        new-optional-request-property request-property-{became-optional,deprecated,reactivated}
        request-{required,optional}-property-became-{read-only,not-read-only,write-only,not-write-only}
        response-success-status-added response-non-success-status-{added,removed}
        response-{media-type-added,media-type-name-changed,body-media-type-schema-added,header-added}
        response-header-{became-not-nullable,type-specialized}
        response-{required,optional}-property-added response-optional-property-removed
        response-property-{became-required,deprecated,reactivated,enum-value-removed,pattern-added}
        response-{body,property}-{became-not-nullable,type-specialized,const-added,multiple-of-specialized}
        response-{body,property}-default-value-{added,changed,removed}
        response-{body,property}-{max-contains-decreased,min-contains-increased,one-of-removed,any-of-removed}
        response-{body,property}-{if,then,else,contains,dependent-required,dependent-schema,property-names}-added
        response-{body,property}-{unevaluated-items,unevaluated-properties,content-schema,pattern-property}-added
        response-{body,property}-discriminator-{added,removed,property-name-changed,mapping-added,mapping-deleted,mapping-changed}
        response-{required,optional}-property-became-{read-only,not-read-only,write-only} response-optional-property-became-not-write-only
    """,
}


def each(pattern: str) -> Iterator[str]:
    """The ids that a pattern stands for."""
    if found := re.search(r"\{([^}]*)\}", pattern):
        for choice in found[1].split(","):
            yield from each(pattern[: found.start()] + choice + pattern[found.end() :])
    else:
        yield pattern


OASDIFF = {rule: level for level, patterns in GIVEN.items() for pattern in patterns.split() for rule in each(pattern)}
