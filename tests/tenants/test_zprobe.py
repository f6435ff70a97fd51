import json, base64
import pytest
from tests import make
from tests.conftest import base
from tenants.scope import tenant_scope
def test_probe(cast, rest):
    from django.urls import get_resolver
    pam = rest(cast.pam)
    pam.raise_request_exception=False
    with tenant_scope(cast.acme.pk):
        api = make.api("orders"); app=make.application(cast.carl); cred=make.credential(app)
    b=base(cast.acme)
    def show(name, r): print(name, r.status_code, r.headers.get("content-type"), r.content[:300], dict((k,v) for k,v in r.headers.items() if k in("Allow","Retry-After","WWW-Authenticate")))
    for m in ("put","patch","delete","head","options"):
        show(m, getattr(pam,m)(b+"/apis/"))
    show("trace", pam.generic("TRACE", b+"/apis/"))
    show("nul path", pam.get(b+"/apis/%00/"))
    show("nul tenant", pam.get("/api/v1/tenants/%00/apis/"))
    show("nul kind", rest(cast.ada).get(b+"/events/?kind=%00") if 0 else pam.get(b+"/apis/?cursor=%00"))
    show("cursor", pam.get(b+"/apis/?cursor=zzz"))
    show("cursor2", pam.get(b+"/apis/?cursor="+base64.b64encode(b"p=zzz").decode()))
    show("limit", pam.get(b+"/apis/?limit=abc"))
    show("limit0", pam.get(b+"/apis/?limit=0"))
    show("deep", pam.post(b+"/apis/", data="["*100000, content_type="application/json"))
    show("bad json", pam.post(b+"/apis/", data="{", content_type="application/json"))
    show("list", pam.post(b+"/apis/", data="[]", content_type="application/json"))
    show("null", pam.post(b+"/apis/", data="null", content_type="application/json"))
    show("form", pam.post(b+"/apis/", data="a=b", content_type="application/x-www-form-urlencoded"))
    show("big", pam.post(b+"/apis/", data=json.dumps({"slug":"x"*4_000_000}), content_type="application/json"))
    show("bigint", pam.get(b+"/apis/orders/versions/v1/revisions/999999999999999999999999/"))
    show("bigreceipt", pam.get(b+"/receipts/999999999999999999999999/"))
    d = json.loads(json.dumps(make.DOCUMENT)); d["info"]["description"]="a\u0000b"
    rv=b+"/apis/orders/versions/v1/revisions/"
    up={"url":"http://127.0.0.1:9"}
    show("nul doc", pam.post(rv, {"document": d,"upstream":up}))
    show("nul doc text", pam.post(rv, {"document": json.dumps(d),"upstream":up}))
    d["info"]["description"]="a\ud800b"
    show("surr doc", pam.post(rv, data=json.dumps({"document": d,"upstream":up}), content_type="application/json"))
    show("surr text", pam.post(rv, data=json.dumps({"document": "\ud800","upstream":up}), content_type="application/json"))
    d["info"]["description"]="x"; d["x-y"]=1
    show("inf doc", pam.post(rv, data=json.dumps({"document": d,"upstream":up}).replace('"x-y": 1','"x-y": 1e999'), content_type="application/json"))
    show("up ok", pam.post(rv, {"document": make.DOCUMENT,"upstream":up}))
    show("up string", pam.post(rv, {"document": make.DOCUMENT,"upstream":"http://x"}))
    show("unknown nested", pam.post(rv, {"document": make.DOCUMENT,"upstream":{**up,"retries":3}}))
    show("unknown", pam.post(b+"/apis/", {"slug":"a","name":"b","colour":"red"}))
    show("nobody", rest(None).get(b+"/apis/"))
    show("badtoken", rest(None).get(b+"/apis/", HTTP_AUTHORIZATION="Bearer abc"))
    show("eve", rest(cast.eve).get(b+"/apis/"))
    show("nourl", pam.get("/api/v1/nope"))
    show("accept", pam.get(b+"/apis/", HTTP_ACCEPT="text/html"))
    show("format", pam.get(b+"/apis/?format=xml"))
    show("tok get", pam.get("/t/acme/oauth/token"))
    c=rest(None); c.raise_request_exception=False
    h="Basic "+base64.b64encode(b"a%00b:"+cred[1].encode()).decode()
    show("tok nul", c.post("/t/acme/oauth/token", data="grant_type=client_credentials", content_type="application/x-www-form-urlencoded", HTTP_AUTHORIZATION=h))
    show("tok ct", c.post("/t/acme/oauth/token", {"grant_type":"client_credentials"}))
    show("tok html", c.get("/t/nowhere/.well-known/jwks.json"))
    show("noslash", c.get(b+"/apis"))
    show("ses", c.get("/api/v1/session/"))
    show("ses opt", c.options("/api/v1/session/"))
    show("badhost", c.get(b+"/apis/", HTTP_HOST="evil.example"))
    show("ten", pam.get("/api/v1/tenants/"))
    show("ten put", pam.put("/api/v1/tenants/"))
    assert 0
