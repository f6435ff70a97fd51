"""Files sent with a form: held in memory up to a bound. What is beyond is dropped, so that the rest of the form arrives."""

from io import BytesIO
from typing import Any

from django.core.files.uploadedfile import InMemoryUploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from apis.openapi_source import MAX_BYTES


class BoundedUpload(FileUploadHandler):
    """`size` is that of the whole file: one that is larger than what is held was too large."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self.held = BytesIO()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.held.write(raw_data[: max(0, MAX_BYTES - start)])

    def file_complete(self, file_size: int) -> InMemoryUploadedFile:
        self.held.seek(0)
        return InMemoryUploadedFile(
            self.held, self.field_name, self.file_name, self.content_type, file_size, self.charset, self.content_type_extra
        )
