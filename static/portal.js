// What makes pages quicker. Every page works without it.
(() => {
  "use strict";
  const dialog = () => document.getElementById("dialog");

  // A sign-in in another tab changes the token; the cookie always has the one that counts.
  const csrf = () => (document.cookie.match(/(?:^|; )(?:__Host-)?csrftoken=([^;]+)/) || [])[1];
  document.addEventListener("htmx:configRequest", (event) => {
    const token = csrf();
    if (token) event.detail.headers["X-CSRFToken"] = token;
  });

  // Dialogs: whatever is swapped into #dialog is shown; an answer that leads elsewhere closes it.
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target === dialog() && !dialog().open) dialog().showModal();
  });
  document.addEventListener("close-dialog", () => dialog().open && dialog().close());
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id === "app" && dialog().open) dialog().close();
  });
  // What was typed into a field that a reply replaces is in the reply; the focus must come back by hand where it was lost.
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target.id === "app" && document.activeElement === document.body) {
      document.getElementById("page").focus({ preventScroll: true });
    }
  });
  document.addEventListener("htmx:sendError", () => say("#no-answer"));
  const say = (selector) => {
    const told = document.querySelector(selector);
    if (told) told.hidden = false;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button, a");
    if (!button) return;
    if (button.matches("[data-close=toast]")) button.closest("[data-toast]").remove();
    if (button.matches("[data-close=dialog]") && dialog().open) {
      event.preventDefault();
      dialog().close();
    }
    if (button.matches("[data-copy]")) copy(button);
    if (button.matches("[data-lang]")) choose(button.dataset.lang, true);
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
    document.querySelectorAll("[data-samples]").forEach((box) => {
      if (!box.querySelector(`[data-sample="${lang}"]`)) return;
      box.querySelectorAll("[data-sample]").forEach((each) => (each.hidden = each.dataset.sample !== lang));
      box.querySelectorAll("[data-lang]").forEach((each) => each.setAttribute("aria-pressed", each.dataset.lang === lang));
    });
  };
  const lang = () => choose(localStorage.getItem("portico-lang") || "curl", false);
  document.addEventListener("DOMContentLoaded", lang);
  document.addEventListener("htmx:afterSettle", lang);

  // Menus: arrow keys walk, Escape and a click elsewhere close.
  document.addEventListener("click", (event) => {
    document.querySelectorAll("details[data-menu][open]").forEach((menu) => {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest && event.target.closest("details[data-menu][open]");
    if (!menu) return;
    const items = [...menu.querySelectorAll(".menu a, .menu button")];
    const at = items.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      items[(to + items.length) % items.length].focus();
    }
    if (event.key === "Escape") {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });

  // Keys: `/` searches, `g` and a letter goes, `?` shows them.
  let going = 0;
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const keys = document.getElementById("keys");
    if (!keys || document.querySelector("dialog[open]")) return;
    if (event.key === "/") {
      const field = document.querySelector("[data-search]");
      if (field && field.offsetParent) {
        event.preventDefault();
        field.focus();
        field.select();
      }
    } else if (event.key === "?") {
      event.preventDefault();
      keys.showModal();
    } else if (event.key === "g") {
      going = Date.now();
    } else if (Date.now() - going < 1500) {
      going = 0;
      const link = keys.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
      if (link) location.assign(link.href);
    }
  });

  // The theme changes at once; the server keeps it.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.matches("[data-theme-form]")) {
      event.preventDefault();
      const chosen = event.submitter.value;
      document.documentElement.dataset.theme = chosen;
      const body = new FormData(form);
      body.set("theme", chosen);
      fetch(form.action, { method: "POST", body, headers: { "X-CSRFToken": csrf() || "" }, redirect: "manual" }).then(() => {
        event.submitter.value = chosen === "dark" ? "light" : "dark";
        event.submitter.textContent = chosen === "dark" ? form.dataset.light : form.dataset.dark;
      });
      return;
    }
    // A second click sends nothing twice; the server knows it, too.
    if (form.method === "post" && !form.matches("[hx-post], [hx-boost]")) {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "1";
    }
    const field = form.querySelector("[name=csrfmiddlewaretoken]");
    if (field && csrf()) field.value = csrf();
  });
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));

  // A note of what was done goes by itself, unless something in it is under way or the pointer is on it.
  const fade = () =>
    document.querySelectorAll("[data-toast]:not([data-timed])").forEach((toast) => {
      toast.dataset.timed = "1";
      const leave = () => (toast.matches(":hover, :focus-within") ? setTimeout(leave, 2000) : toast.remove());
      setTimeout(leave, 10500);
    });
  document.addEventListener("DOMContentLoaded", fade);
  document.addEventListener("htmx:afterSettle", fade);

  // The drawer closes when one goes somewhere.
  document.addEventListener("click", (event) => {
    const drawer = document.getElementById("drawer");
    if (drawer && drawer.open && event.target.closest(".rail .nav a")) drawer.open = false;
  });
})();
