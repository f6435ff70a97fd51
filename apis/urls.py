"""REST inside a tenant, below /api/v1/tenants/<tenant>/."""

from django.urls import path

from apis.rest import access, categories, change_log, gate, importing, policies, publishing, reviews, rules, subscriptions, versions
from apis.rest import access, categories, gate, importing, policies, publishing, rules, subscriptions, testing, versions

urlpatterns = [
    path("apis/", publishing.Apis.as_view(), name="apis"),
    path("apis/<str:api>/", publishing.ApiDetail.as_view(), name="api"),
    path("apis/<str:api>/policies/", policies.PoliciesView.as_view(), name="api-policies"),
    path("apis/<str:api>/changes/", change_log.ChangeLog.as_view(), name="api-changes"),
    path("apis/<str:api>/versions/", publishing.Versions.as_view(), name="versions"),
    path("apis/<str:api>/versions/<str:version>/publish/", publishing.VersionPublish.as_view(), name="version-publish"),
    path("apis/<str:api>/versions/<str:version>/prerelease/", versions.Prerelease.as_view(), name="version-prerelease"),
    path("apis/<str:api>/versions/<str:version>/block/", versions.Block.as_view(), name="version-block"),
    path("apis/<str:api>/versions/<str:version>/unblock/", versions.Unblock.as_view(), name="version-unblock"),
    path("apis/<str:api>/versions/<str:version>/deprecate/", versions.Deprecate.as_view(), name="version-deprecate"),
    path("apis/<str:api>/versions/<str:version>/sunset/", versions.Sunset.as_view(), name="version-sunset"),
    path("apis/<str:api>/versions/<str:version>/reinstate/", versions.Reinstate.as_view(), name="version-reinstate"),
    path("apis/<str:api>/versions/<str:version>/retire/", versions.Retire.as_view(), name="version-retire"),
    path("apis/<str:api>/versions/<str:version>/callers/", versions.Callers.as_view(), name="version-callers"),
    path("apis/<str:api>/versions/<str:version>/brown-outs/", versions.BrownOuts.as_view(), name="version-brown-outs"),
    path("apis/<str:api>/versions/<str:version>/acknowledge/", versions.Acknowledge.as_view(), name="version-acknowledge"),
    path(
        "apis/<str:api>/versions/<str:version>/brown-outs/<uuid:pk>/cancel/",
        versions.BrownOutCancel.as_view(),
        name="version-brown-out-cancel",
    ),
    path("apis/<str:api>/versions/<str:version>/revisions/", publishing.Revisions.as_view(), name="revisions"),
    path(
        "apis/<str:api>/versions/<str:version>/revisions/<int:number>/",
        publishing.RevisionDetail.as_view(),
        name="revision",
    ),
    path(
        "apis/<str:api>/versions/<str:version>/revisions/<int:number>/callers/",
        gate.RevisionCallers.as_view(),
        name="revision-callers",
    ),
    path(
        "apis/<str:api>/versions/<str:version>/revisions/<int:number>/live/",
        gate.RevisionLive.as_view(),
        name="revision-live",
    ),
    path("apis/<str:api>/versions/<str:version>/revisions/<int:number>/test/", testing.RevisionTest.as_view(), name="revision-test"),
    path(
        "apis/<str:api>/versions/<str:version>/revisions/<int:number>/differences/",
        publishing.RevisionDifferences.as_view(),
        name="revision-differences",
    ),
    path("apis/<str:api>/versions/<str:version>/revisions/<int:number>/lint/", rules.RevisionLint.as_view(), name="revision-lint"),
    path("apis/<str:api>/review/", reviews.ReviewNeeded.as_view(), name="api-review"),
    path("apis/<str:api>/versions/<str:version>/revisions/<int:number>/reviews/", reviews.RevisionReviews.as_view(), name="reviews"),
    path(
        "apis/<str:api>/versions/<str:version>/revisions/<int:number>/reviews/<uuid:pk>/approve/",
        reviews.Approve.as_view(),
        name="review-approve",
    ),
    path(
        "apis/<str:api>/versions/<str:version>/revisions/<int:number>/reviews/<uuid:pk>/reject/",
        reviews.Reject.as_view(),
        name="review-reject",
    ),
    path(
        "apis/<str:api>/versions/<str:version>/revisions/<int:number>/reviews/<uuid:pk>/withdraw/",
        reviews.Withdraw.as_view(),
        name="review-withdraw",
    ),
    path("reviews/", reviews.WaitingReviews.as_view(), name="waiting-reviews"),
    path("categories/", categories.Categories.as_view(), name="categories"),
    path("lint-rules/", rules.LintRules.as_view(), name="lint-rules"),
    path("apis/<str:api>/versions/<str:version>/imports/", importing.DocumentImports.as_view(), name="imports"),
    path("imports/<uuid:pk>/", importing.DocumentImportDetail.as_view(), name="import"),
    path("apis/<str:api>/plans/", publishing.Plans.as_view(), name="plans"),
    path("apis/<str:api>/plans/<str:plan>/publish/", publishing.PlanPublish.as_view(), name="plan-publish"),
    path("applications/<uuid:pk>/access-at/", access.AccessAt.as_view(), name="rest-access-at"),
    path("subscriptions/", subscriptions.Subscriptions.as_view(), name="subscriptions"),
    path("subscriptions/<uuid:pk>/", subscriptions.SubscriptionDetail.as_view(), name="subscription"),
    path("subscriptions/<uuid:pk>/approve/", subscriptions.Approve.as_view(), name="subscription-approve"),
    path("subscriptions/<uuid:pk>/reject/", subscriptions.Reject.as_view(), name="subscription-reject"),
    path("subscriptions/<uuid:pk>/undo/", subscriptions.Undo.as_view(), name="subscription-undo"),
    path("subscriptions/<uuid:pk>/suspend/", subscriptions.Suspend.as_view(), name="subscription-suspend"),
    path("subscriptions/<uuid:pk>/resume/", subscriptions.Resume.as_view(), name="subscription-resume"),
    path("subscriptions/<uuid:pk>/cancel/", subscriptions.Cancel.as_view(), name="subscription-cancel"),
]
