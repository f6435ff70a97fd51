"""Bodies of REST requests."""

import json
from collections.abc import Mapping
from typing import IO, Any

from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser


class Json(JSONParser):
    """JSON of bounded size and depth, in characters that exist. The REST framework's own reads whatever is sent."""

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        assert parser_context is not None
        length = parser_context["request"].META.get("CONTENT_LENGTH")
        if int(length or 0) > parser_context["view"].max_body:
            raise RequestDataTooBig
        try:
            found = super().parse(stream, media_type, parser_context)
            # "\ud800" is JSON, and half a character: it can be neither stored nor answered.
            json.dumps(found, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError("The JSON is nested too deeply.") from None
        except UnicodeEncodeError:
            raise ParseError("The JSON holds half of a surrogate pair, which is no character.") from None
        except ParseError as error:
            raise ParseError(str(error.detail).replace("JSON parse error - ", "The body is not JSON. ", 1)) from None
        return found
