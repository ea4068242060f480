// Keeps a page live: takes whole fragments from the box's event stream, sends taps without a
// reload, and tells the box that somebody is still there. Without it, plain forms do the same.
"use strict";
(() => {
  const SILENCE_MS = 12000; // the box gives a sign of life every 5 s
  const TOUCH_MS = 5000; // how often a busy shopper tells the box so
  const ANSWER_MS = 2500; // a tap should have changed the page by then
  const RETRY_MS = 3000;
  let source, watchdog, deadline = 0, touched = 0, swaps = 0;
  const live = () => document.getElementById("live");
  const build = live().dataset.build;

  function swap(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    const fresh = template.content.firstElementChild;
    if (fresh.dataset.build !== build) return location.reload(); // the box was updated
    const elsewhere = fresh.dataset.page !== live().dataset.page;
    const focused = document.activeElement && document.activeElement.id;
    const keep = (selector) => elsewhere ? [] : [...live().querySelectorAll(selector)].filter((it) => it.id);
    const ticked = keep("input:checked");
    const typed = keep("input:not([type=hidden], [type=checkbox])").filter((input) => input.value);
    const unfolded = keep("details[open]");
    live().replaceWith(fresh);
    const again = (list, change) => {
      for (const old of list) {
        const now = document.getElementById(old.id);
        if (now) change(now, old);
      }
    };
    again(ticked, (now) => { now.checked = true; });
    again(typed, (now, old) => { now.value = old.value; });
    again(unfolded, (now) => { now.open = true; });
    swaps += 1;
    document.documentElement.lang = fresh.lang;
    document.title = fresh.dataset.title;
    if (elsewhere) window.scrollTo(0, 0);
    const asks = fresh.querySelector("[role=alertdialog] button");
    const begins = elsewhere && fresh.querySelector("[data-focus]");
    const target = asks || begins || (focused && document.getElementById(focused));
    if (target) target.focus({ preventScroll: true });
    start();
  }

  function start() {
    const clock = document.querySelector("[data-countdown]");
    deadline = clock ? Date.now() + 1000 * Number(clock.dataset.countdown) : 0;
  }

  function tick() {
    const clock = document.querySelector("[data-countdown]");
    if (!clock) return;
    const left = Math.max(0, Math.ceil((deadline - Date.now()) / 1000));
    clock.textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
  }

  function alive() {
    document.body.classList.remove("adrift");
    clearTimeout(watchdog);
    watchdog = setTimeout(connect, SILENCE_MS);
  }

  function connect() {
    if (source) source.close();
    source = new EventSource(live().dataset.stream);
    source.addEventListener("page", (event) => { alive(); swap(event.data); });
    source.addEventListener("beat", alive);
    source.onerror = () => {
      document.body.classList.add("adrift");
      if (source.readyState === EventSource.CLOSED) setTimeout(refused, RETRY_MS);
    };
    clearTimeout(watchdog);
    watchdog = setTimeout(connect, SILENCE_MS);
  }

  async function refused() { // the box answers, but not with a stream: signed out, or too many
    try {
      if ((await fetch("/healthz", { cache: "no-store" })).ok) return location.reload();
    } catch { /* the box is away: the watchdog goes on trying */ }
  }

  function post(url, body) {
    return fetch(url, { method: "POST", body, redirect: "manual" });
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.matches("[data-live]")) return;
    event.preventDefault();
    if (form.dataset.sent) return; // a double tap is one tap
    form.dataset.sent = "yes";
    const before = swaps;
    try {
      await post(form.action, new URLSearchParams(new FormData(form, event.submitter)));
      setTimeout(() => { if (swaps === before) connect(); }, ANSWER_MS);
    } catch {
      document.body.classList.add("adrift");
      connect();
    }
    delete form.dataset.sent;
  });

  document.addEventListener("click", (event) => {
    const key = event.target.closest("[data-key]");
    const field = key && document.getElementById(key.dataset.field);
    if (!field) return;
    const { value } = field, said = key.dataset.key;
    field.value = { all: "", last: value.slice(0, -1) }[said] ?? (value + said).slice(0, field.maxLength);
  });

  function touch(event) {
    const awake = live().dataset.awake;
    const presses = event.type === "click" || event.key === "Enter" || event.key === " ";
    const isTap = presses && event.target.closest("form[data-live] button"); // tells it itself
    if (!awake || isTap || (!deadline && Date.now() - touched < TOUCH_MS)) return;
    touched = Date.now();
    post(awake).catch(() => document.body.classList.add("adrift"));
  }
  for (const kind of ["click", "keydown", "wheel", "touchmove"]) {
    document.addEventListener(kind, touch, { passive: true });
  }

  document.documentElement.classList.add("scripted");
  setInterval(tick, 500);
  start();
  connect();
})();
