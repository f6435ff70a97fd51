// What makes pages quicker. Every page works without it.
(() => {
  "use strict";
  const on = (name, work, options) => document.addEventListener(name, work, options);
  const all = (selector, work) => document.querySelectorAll(selector).forEach(work);
  const dialog = () => document.getElementById("dialog");
  // When the page stands, and again after each part of it that was replaced.
  const always = (work) => {
    on("DOMContentLoaded", work);
    on("htmx:afterSettle", work);
  };

  // A sign-in in another tab changes the token; the cookie always has the one that counts. Before anybody reads the form.
  const csrf = () => (document.cookie.match(/(?:^|; )(?:__Host-)?csrftoken=([^;]+)/) || [])[1];
  on("submit", ({ target }) => {
    const field = target.querySelector("[name=csrfmiddlewaretoken]");
    if (field && csrf()) field.value = csrf();
  }, true);
  on("htmx:configRequest", (event) => {
    if (csrf()) event.detail.headers["X-CSRFToken"] = csrf();
  });

  // Where the focus goes in what was replaced: to what has to be mended, else to what the page says, else to its beginning.
  const land = (box, otherwise) => {
    const wanted = box.querySelector('[aria-invalid="true"]') || box.querySelector("[data-focus]") || otherwise;
    if (wanted) wanted.focus({ preventScroll: wanted === otherwise });
  };

  // Dialogs: whatever is swapped into #dialog is shown; an answer that leads elsewhere closes it. The browser keeps the focus inside,
  // and gives it back to what opened the dialog.
  on("htmx:afterSwap", (event) => {
    if (event.detail.target !== dialog()) return;
    if (!dialog().open) dialog().showModal();
    else land(dialog(), dialog().querySelector("button, a"));
  });
  on("close-dialog", () => dialog().open && dialog().close());
  on("htmx:beforeSwap", (event) => {
    if (event.detail.target.id === "app" && dialog().open) dialog().close();
  });
  // What was typed into a field that a reply replaces is in the reply; the focus must come back by hand where it was lost.
  on("htmx:afterSettle", (event) => {
    if (event.detail.target.id === "app" && document.activeElement === document.body) {
      land(document.getElementById("page"), document.getElementById("page"));
    }
    // What was asked for below a document stands elsewhere than the button.
    if (["preview", "document-field"].includes(event.detail.target.id)) land(document.getElementById(event.detail.target.id), null);
  });
  // What a page asks for by itself must not take it away from under what is being typed.
  on("htmx:beforeOnLoad", (event) => {
    const { xhr, requestConfig } = event.detail;
    if (!requestConfig.triggeringEvent && (xhr.status >= 400 || xhr.getResponseHeader("HX-Redirect"))) event.preventDefault();
  });

  // What moves by itself rests while nobody looks, and is asked for at once when somebody looks again.
  on("htmx:beforeRequest", (event) => {
    if (document.hidden && event.detail.elt.matches("[data-live]")) event.preventDefault();
  });
  on("visibilitychange", () => {
    if (!document.hidden && window.htmx) all("[data-live]", (each) => htmx.trigger(each, "seen"));
  });

  // No answer at all: said where one looks, which is the dialog while it is open; and no longer said once there is one.
  const unanswered = (is) => {
    const told = document.getElementById("no-answer");
    if (!told) return;
    all(".no-answer", (each) => each.remove());
    told.hidden = !is || dialog().open;
    if (!is || !dialog().open) return;
    const there = told.cloneNode(true);
    there.removeAttribute("id");
    there.classList.add("no-answer");
    there.hidden = false;
    dialog().prepend(there);
  };
  on("htmx:sendError", () => unanswered(true));
  on("htmx:afterOnLoad", () => unanswered(false));

  on("click", (event) => {
    const button = event.target.closest("button, a");
    if (!button) return;
    if (button.matches("[data-close=toast]")) leave(button.closest("[data-toast]"));
    if (button.matches("[data-close=dialog]") && dialog().open) {
      event.preventDefault();
      dialog().close();
    }
    if (button.matches("[data-copy]")) copy(button);
    if (button.matches("[data-lang]")) choose(button.dataset.lang, true);
  });

  // A key, or the browser, said no: the page says so.
  on("allauth.error", (event) => {
    event.preventDefault();
    all("#key-trouble", (told) => (told.hidden = false));
  });

  // Code: copying, and one language for all samples, remembered.
  const copy = async (button) => {
    const text = document.getElementById(button.dataset.copy).textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without the right to the clipboard: select it, so that one key is left to press.
      getSelection().selectAllChildren(document.getElementById(button.dataset.copy));
      return;
    }
    const was = button.dataset.was || button.innerHTML;
    button.dataset.was = was;
    button.textContent = button.dataset.done;
    setTimeout(() => (button.innerHTML = was), 1600);
  };
  const choose = (lang, keep) => {
    if (keep) localStorage.setItem("portico-lang", lang);
    all("[data-samples]", (box) => {
      if (!box.querySelector(`[data-sample="${lang}"]`)) return;
      box.dataset.chosen = lang;
      box.querySelectorAll("[data-sample]").forEach((each) => (each.hidden = each.dataset.sample !== lang));
      box.querySelectorAll("[data-lang]").forEach((each) => each.setAttribute("aria-pressed", each.dataset.lang === lang));
    });
  };
  always(() => choose(localStorage.getItem("portico-lang") || "curl", false));

  // A document: a file goes into the field where it can be read and mended; a problem leads to its line there.
  on("change", async (event) => {
    const input = event.target;
    const file = input.matches("[data-into]") && input.files[0];
    const field = file && document.getElementById(input.dataset.into);
    if (!field || file.size > 2 * 1024 * 1024) return;
    try {
      field.value = new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
    } catch {
      // The server says where it is no text.
      return;
    }
    input.value = "";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
  const lead = () => {
    const field = document.getElementById("id_document");
    const line = field && Number((location.hash.match(/^#line-(\d+)$/) || [])[1]);
    if (!line) return;
    const lines = field.value.split("\n");
    const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    field.focus();
    field.setSelectionRange(start, start + (lines[line - 1] || "").length);
    field.scrollTop = (field.scrollHeight / lines.length) * (line - 4);
  };
  on("DOMContentLoaded", lead);
  on("click", (event) => event.target.closest("[data-line]") && setTimeout(lead));

  // Menus: arrow keys walk; Escape, a click or the focus elsewhere close. The drawer is one, too, but stays until it is closed.
  const elsewhere = (event) =>
    all("details[data-menu][open]", (menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  on("click", elsewhere);
  on("focusin", elsewhere);
  on("keydown", (event) => {
    const menu = event.target.closest("details[data-menu][open]");
    const opened = menu || (event.target.closest(".rail") && document.querySelector("#drawer[open]"));
    if (opened && event.key === "Escape") {
      opened.open = false;
      opened.querySelector("summary").focus();
    }
    const items = menu ? [...menu.querySelectorAll(".menu a, .menu button")] : [];
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: (at < 0 ? 0 : at) - 1, Home: 0, End: -1 }[event.key];
    if (items.length && to !== undefined) {
      event.preventDefault();
      items.at(to % items.length).focus();
    }
  });

  // Keys: `/` searches, `g` and a letter goes, `?` shows them.
  let going = 0;
  on("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const keys = document.getElementById("keys");
    if (!keys || document.querySelector("dialog[open]")) return;
    if (event.key === "/") {
      event.preventDefault();
      const seen = () => [...document.querySelectorAll("[data-search]")].find((each) => each.offsetParent);
      // On a small screen it is in the drawer.
      const drawer = document.getElementById("drawer");
      if (drawer && !seen()) drawer.open = true;
      if (seen()) seen().select();
    } else if (event.key === "?") {
      event.preventDefault();
      keys.showModal();
    } else if (event.key === "g") {
      going = Date.now();
    } else if (Date.now() - going < 1500) {
      going = 0;
      const link = keys.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
      if (link) location.assign(link.href);
    }
  });

  // The theme changes at once; the server keeps it. The button names the other one than what is seen.
  const root = document.documentElement;
  const offer = () => {
    const seen = root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    const other = seen === "dark" ? "light" : "dark";
    all("[data-theme-form] button", (button) => {
      button.value = other;
      button.querySelectorAll("[data-label]").forEach((label) => (label.hidden = label.dataset.label !== other));
    });
  };
  always(offer);
  on("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-theme-form]")) {
      event.preventDefault();
      const body = new FormData(form, event.submitter);
      root.dataset.theme = body.get("theme");
      offer();
      fetch(form.action, { method: "POST", body, headers: { "X-CSRFToken": csrf() || "" }, redirect: "manual" }).catch(() => unanswered(true));
      return;
    }
    // A second click sends nothing twice; the server knows it, too.
    if (form.method === "post" && !event.defaultPrevented) {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "1";
    }
  });
  window.addEventListener("pageshow", () => all("form[data-sent]", (form) => delete form.dataset.sent));

  // What goes away takes the focus along, unless the page gets it.
  const leave = (element) => {
    const focused = element.contains(document.activeElement);
    element.remove();
    if (focused) document.getElementById("page").focus({ preventScroll: true });
  };
  // A note of what was done goes by itself, unless something in it is under way or one is at it.
  const fade = (toast) => (toast.matches(":hover, :focus-within, :has(.receipt.waiting)") ? setTimeout(fade, 2000, toast) : leave(toast));
  const timed = (selector, work) =>
    always(() =>
      all(`${selector}:not([data-timed])`, (each) => {
        each.dataset.timed = "1";
        work(each);
      })
    );
  timed("[data-toast]", (toast) => setTimeout(fade, 10500, toast));
  // What is possible for so many milliseconds goes when they have passed.
  timed("[data-ends]", (each) => setTimeout(leave, Number(each.dataset.ends), each));
})();
