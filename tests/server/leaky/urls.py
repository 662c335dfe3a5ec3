"""The product's pages, and `/leak/200`, which keeps 200 MiB.

It answers the worker's pid.
"""

import os

from django.http import HttpRequest, HttpResponse
from django.urls import path

from config.urls import urlpatterns as product

held: list[bytes] = []


def leak(_request: HttpRequest, mib: int) -> HttpResponse:
    held.append(os.urandom(2**20) * mib)
    return HttpResponse(str(os.getpid()))


urlpatterns = [path("leak/<int:mib>", leak), *product]
