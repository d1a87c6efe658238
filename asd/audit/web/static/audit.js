"use strict";
/* Keys for those who review many samples. Every page works without this. */
(() => {
  const typing = (element) => element.matches("input, select, textarea, [contenteditable]");
  const follow = (selector) => {
    const link = document.querySelector(selector);
    if (link) link.click();
    return Boolean(link);
  };
  const shots = () => [...document.querySelectorAll("[data-shot] a.picture")];
  const move = (step) => {
    const all = shots();
    if (!all.length) return follow(step > 0 ? "a[rel=next]" : "a[rel=prev]");
    const at = all.indexOf(document.activeElement);
    const to = at + step;
    if (at < 0 && step > 0) all[0].focus();
    else if (to >= 0 && to < all.length) all[to].focus();
    else if (at >= 0 || step > 0) return follow(step > 0 ? "a[rel=next]" : "a[rel=prev]");
    return true;
  };
  /* A page about a run at work: not under the hands of somebody who reads a table or types. */
  const main = document.querySelector("main[data-renew]");
  if (main) {
    setInterval(() => {
      const busy = document.hidden || main.querySelector("details[open]") || main.contains(document.activeElement);
      if (!busy) location.reload();
    }, 1000 * Number(main.dataset.renew));
  }
  document.addEventListener("focusout", (event) => delete event.target.dataset.byKey);
  document.addEventListener("keydown", (event) => {
    /* Text typed beside its field must not press a button that it has just picked. */
    if (event.key === " " && "byKey" in (event.target.dataset || {})) {
      event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    const button = document.querySelector(`button[data-key="${CSS.escape(event.key)}"]`);
    if (button) {
      event.preventDefault();
      if (button.hasAttribute("data-focus")) {
        button.focus();
        button.dataset.byKey = "";
      } else button.click();
      return;
    }
    const field = document.querySelector(`[data-focus-key="${CSS.escape(event.key)}"]`);
    if (field) {
      event.preventDefault();
      field.focus();
      return;
    }
    const keys = {
      j: () => move(1),
      k: () => move(-1),
      n: () => follow("a[rel=next]"),
      p: () => follow("a[rel=prev]"),
      u: () => follow("a[data-up]"),
    };
    if (keys[event.key] && keys[event.key]()) event.preventDefault();
  });
})();
