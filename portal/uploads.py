"""Files sent with a form: held in memory up to a bound. What is beyond is dropped, so that the rest of the form arrives."""

import re
from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from apis.openapi import BY_A_JOB
from apis.openapi_source import MAX_BYTES

# Where a file may be a document that a job reads.
_LARGE = re.compile(r"^/t/[^/]+/console/(new-api|apis/[^/]+/[^/]+/revisions/new)/\Z")


class BoundedUpload(FileUploadHandler):
    """`size` is that of the whole file: one that is larger than what is held was too large."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.held = BytesIO()
        assert self.request is not None
        may_be_large = _LARGE.match(self.request.path_info) and self.request.user.is_authenticated
        self.most = BY_A_JOB.most_bytes if may_be_large else MAX_BYTES

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.held.write(raw_data[: max(0, self.most - start)])

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self.held.seek(0)
        return InMemoryUploadedFile(
            self.held, self.field_name, self.file_name, self.content_type, file_size, self.charset, self.content_type_extra
        )
