// Trying an operation: the page asks Portico for a token of the reader's own application, and calls the gateway with it. The token is in
// hand for that one call: no place of the page has it, and no storage.
(() => {
  "use strict";
  // Bytes of a body that are shown, and seconds that a call may take.
  const MOST = 256 * 1024;
  const SECONDS = 60;

  // The call that was filled in. What is empty is left out; of a header what is not ASCII is escaped, as in the samples.
  const read = (form) => {
    const given = [...form.querySelectorAll("[data-where]")].map(({ dataset, value }) => ({ ...dataset, value }));
    const of = (where) => given.filter((each) => each.where === where && each.value !== "");
    const path = form.dataset.path.replace(/\{([^{}]*)\}/g, (_, name) => {
      const found = of("path").find((each) => each.name === name);
      return found ? encodeURIComponent(found.value) : "";
    });
    const query = of("query").map(({ name, value }) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join("&");
    const headers = of("header").map(({ name, value }) => [name, value.replace(/[^\x20-\x7e]+/g, encodeURIComponent)]);
    const body = form.querySelector("[data-body]");
    const sends = body !== null && body.value !== "";
    if (sends) headers.unshift(["Content-Type", body.dataset.body]);
    return {
      method: form.dataset.method,
      url: form.dataset.address + path + (query && `?${query}`),
      headers,
      body: sends ? body.value : undefined,
    };
  };

  const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
  const curl = ({ method, url, headers, body }) =>
    [
      `curl ${quoted(url)}`,
      ...(method === "HEAD" ? ["--head"] : method !== "GET" ? [`-X ${method}`] : []),
      '-H "Authorization: Bearer $TOKEN"',
      ...headers.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
      ...(body === undefined ? [] : [`--data-raw ${quoted(body)}`]),
    ].join(" \\\n  ");

  // A refusal is a problem (RFC 9457), in the reader's language.
  const tokenFor = async (form) => {
    const { application, csrfmiddlewaretoken } = form.elements;
    const asked = { application: application.value, operation: form.dataset.operation, csrfmiddlewaretoken: csrfmiddlewaretoken.value };
    const headers = { Accept: "application/json, text/html;q=0.1" };
    const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(asked), headers, redirect: "error" });
    const said = await answer.json();
    return answer.ok ? { token: said.access_token } : { trouble: said.detail };
  };

  const send = ({ method, url, headers, body }, token) =>
    fetch(url, {
      method,
      headers: [...headers, ["Authorization", `Bearer ${token}`]],
      body,
      credentials: "omit",
      cache: "no-store",
      redirect: "manual",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(SECONDS * 1000),
    });

  const beginning = async (answer) => {
    const reader = answer.body && answer.body.getReader();
    const bytes = new Uint8Array(MOST);
    for (let length = 0; ; ) {
      const { done, value } = reader ? await reader.read() : { done: true };
      if (done) return { bytes: bytes.subarray(0, length), whole: true };
      bytes.set(value.subarray(0, MOST - length), length);
      if (length + value.length > MOST) {
        reader.cancel();
        return { bytes, whole: false };
      }
      length += value.length;
    }
  };

  // The text of a body, null where it is none. A character may be cut at the end of a beginning.
  const textOf = (type, bytes, whole) => {
    const [, charset = "utf-8"] = type.match(/;\s*charset="?([^\s";]+)/i) || [];
    try {
      const text = new TextDecoder(charset, { fatal: true }).decode(bytes, { stream: !whole });
      return text.includes("\0") ? null : text;
    } catch {
      return null;
    }
  };
  // JSON on lines of its own, by its text: parsed and written again, a large number would be another.
  const TOKENS = /"[^"\\]*(?:\\.[^"\\]*)*"|\{\s*\}|\[\s*\]|[{}[\],:]|\s+/g;
  const pretty = (text) => {
    try {
      JSON.parse(text);
    } catch {
      return text;
    }
    let depth = 0;
    const line = () => `\n${"  ".repeat(Math.min(depth, 40))}`;
    return text.replace(TOKENS, (part) => {
      if (part.trim() === "") return "";
      if (part === ":") return ": ";
      if (part === ",") return `,${line()}`;
      if (part === "{" || part === "[") {
        depth += 1;
        return part + line();
      }
      if (part === "}" || part === "]") {
        depth -= 1;
        return line() + part;
      }
      return part[0] === '"' ? part : part.replace(/\s+/, "");
    });
  };

  const unit = (value, name) => new Intl.NumberFormat(document.documentElement.lang, { style: "unit", unit: name, maximumFractionDigits: 1 }).format(value);
  const size = (length) => (length < 1024 ? unit(length, "byte") : unit(length / 1024, "kilobyte"));

  // Everything is told as text. What came of an earlier call goes first.
  const board = (form) => {
    const section = form.closest("section");
    const place = (name) => section.querySelector(`[data-told=${name}]`);
    const put = (name, text) => {
      place(name).textContent = text;
      place(name).hidden = !text;
    };
    const box = section.querySelector("[data-answer]");
    ["trouble", "status", "measured", "body", "about-body", "headers"].forEach((name) => put(name, ""));
    ["line", "refused", "has-headers"].forEach((name) => (place(name).hidden = true));
    box.hidden = true;
    return { place, put, box };
  };

  const tell = ({ place, put }, form, answer, { bytes, whole }, took) => {
    const said = form.dataset;
    const type = answer.headers.get("content-type") || "";
    const text = textOf(type, bytes, whole);
    const tone = answer.status < 300 ? "ok" : answer.status < 400 ? "info" : "bad";
    place("status").className = `badge ${tone}`;
    put("status", `${answer.status} ${answer.statusText}`.trim());
    put("measured", [unit(took, "millisecond"), ...(whole && bytes.length ? [size(bytes.length)] : []), type].filter(Boolean).join(" · "));
    put("body", text === null ? "" : whole && /[/+]json\b/i.test(type) ? pretty(text) : text);
    put("about-body", text === null ? said.noText : !whole ? said.cut : bytes.length ? "" : said.noBody);
    put("headers", [...answer.headers].map(([name, value]) => `${name}: ${value}`).join("\n"));
    place("has-headers").hidden = place("headers").hidden;
    const code = answer.headers.get("x-portico-refusal") || "";
    if (!/^[A-Z_]+$/.test(code)) return;
    put("code", code);
    place("code").href = place("code").dataset.page.replace("CODE", code);
    const [option] = form.elements.application.selectedOptions;
    place("call").href = option.dataset.refusals + encodeURIComponent(answer.headers.get("x-request-id") || "");
    place("refused").hidden = false;
  };

  const attempt = async (form, told) => {
    const said = form.dataset;
    const call = read(form);
    told.put("curl", curl(call));
    const { token, trouble } = await tokenFor(form).catch(() => ({ trouble: said.noToken }));
    told.box.hidden = false;
    if (!token) return told.put("trouble", trouble);
    const began = performance.now();
    try {
      const answer = await send(call, token);
      if (answer.type === "opaqueredirect") return told.put("trouble", said.redirected);
      tell(told, form, answer, await beginning(answer), Math.round(performance.now() - began));
    } catch {
      told.put("trouble", said.unreachable);
    }
  };

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-try]")) return;
    event.preventDefault();
    // Not `disabled`, which would take the focus away.
    const button = form.querySelector("[type=submit]");
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    const told = board(form);
    told.put("measured", form.dataset.sending);
    told.place("line").hidden = false;
    try {
      await attempt(form, told);
    } finally {
      const answered = !told.place("status").hidden;
      if (!answered) told.put("measured", "");
      told.place("line").hidden = !answered;
      button.ariaDisabled = null;
      // Each time it is asked anew.
      const sure = form.querySelector("[data-sure]");
      if (sure) sure.checked = false;
    }
  }, true);
})();
