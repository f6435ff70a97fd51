"""The person's own settings."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from tenants.access import signed_in


@signed_in
def profile(request: HttpRequest) -> HttpResponse:
    return render(request, "base.html")


@signed_in
def theme(request: HttpRequest) -> HttpResponse:
    return render(request, "base.html")


urlpatterns = [path("profile/", profile, name="profile"), path("profile/theme/", theme, name="profile-theme")]
