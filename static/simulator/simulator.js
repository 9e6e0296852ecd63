// What the pages gain by it: calls appear as they happen, and phones and letters without reloading.
"use strict";

const story = document.getElementById("story");
const phones = document.getElementById("phones");
const onHome = Boolean(phones);

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const today = at.toDateString() === new Date().toDateString();
    const options = today ? { timeStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
    time.title = at.toString();
    time.textContent = at.toLocaleString(undefined, options);
  }
}

async function fragment(path) {
  const answer = await fetch(path, { headers: { accept: "text/html" } });
  if (!answer.ok) return null;
  const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
  localTimes(parsed);
  return parsed;
}

function keyOf(button) {
  return `${button.form.elements.by.value} ${button.value}`;
}

// Shows a story; of one that is shown already, only what is new is added, so that what was opened stays so.
let drawing = Promise.resolve();
function draw(id) {
  drawing = drawing.then(() => drawNow(id)).catch(() => {});
}

async function drawNow(id) {
  const parsed = await fragment(`/calls/${id}/story`);
  const fresh = parsed && parsed.querySelector("[data-story]");
  if (!fresh || !story) return;
  const shown = story.querySelector("[data-story]");
  if (!shown || shown.dataset.story !== id) {
    story.replaceChildren(fresh);
    return;
  }
  const list = shown.querySelector(".steps");
  const steps = [...fresh.querySelectorAll(".steps > li")].slice(list.children.length);
  for (const step of steps) step.classList.add("new");
  list.append(...steps);
  shown.className = fresh.className;
  const head = fresh.querySelector(".head");
  const pressed = document.activeElement;
  const key = pressed.closest(".keypad") ? keyOf(pressed) : null;
  shown.querySelector(".head").replaceWith(head);
  const again = [...head.querySelectorAll(".keypad button")].find((button) => keyOf(button) === key);
  if (again) again.focus({ preventScroll: true });
}

async function drawPhones() {
  const parsed = await fragment("/phones");
  if (parsed) phones.replaceChildren(...parsed.body.childNodes);
}

async function reload(part) {
  const parsed = await fragment(location.href);
  const fresh = parsed && parsed.querySelector(`[data-reload="${CSS.escape(part.dataset.reload)}"]`);
  if (fresh && fresh.innerHTML !== part.dataset.seen) {
    part.dataset.seen = fresh.innerHTML;
    part.replaceChildren(...fresh.childNodes);
  }
}

// Several events in one moment are one look.
const waiting = new Map();
function soon(name, act) {
  clearTimeout(waiting.get(name));
  waiting.set(name, setTimeout(act, 60));
}

function watch() {
  const source = new EventSource("/simulator/events");
  source.addEventListener("message", (message) => {
    const event = JSON.parse(message.data);
    if (event.type === "phone") {
      if (onHome) soon("phones", drawPhones);
      const part = document.querySelector(`[data-reload="phone:${CSS.escape(event.phone)}"]`);
      if (part) soon("part", () => reload(part));
      return;
    }
    const id = event.id || event.trace.id;
    const shown = story && story.querySelector("[data-story]");
    if (onHome || (shown && shown.dataset.story === id)) soon(`story ${id}`, () => draw(id));
  });
}

function say(form, text) {
  let place = form.parentElement.querySelector(".error");
  if (!place) {
    place = document.createElement("p");
    place.className = "error";
    place.setAttribute("role", "alert");
    form.before(place);
  }
  place.textContent = text;
  place.hidden = !text;
}

async function placeLive(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const values = new FormData(form);
  const text = (name) => (values.get(name) || "").toString().trim();
  const words = (name) => text(name).split(/\s+/).filter(Boolean);
  const wanted = { from: values.has("hidden") ? "Unknown" : text("from"), to: text("other") || text("mask"), live: true };
  if (values.has("text")) {
    wanted.text = text("text");
  } else {
    wanted.answer = text("answer");
    wanted.caller_presses = words("caller_presses");
    wanted.callee_presses = words("callee_presses");
    wanted.caller_key = text("caller_key");
    if (text("seconds")) wanted.seconds = Number(text("seconds"));
  }
  if (!wanted.from) return say(form, "Type who calls, or hide the number.");
  const answer = await fetch(form.dataset.live, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(wanted),
  });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) return say(form, body.error || "That did not work.");
  say(form, "");
  draw(body.id);
  if (matchMedia("(max-width: 55rem)").matches) story.scrollIntoView();
}

for (const form of document.querySelectorAll("form[data-live]")) form.addEventListener("submit", placeLive);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.matches("[data-quiet]")) {
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form, event.submitter));
    fetch(form.action, { method: "POST", redirect: "manual", body });
  }
});

localTimes(document);
if (story || document.querySelector('[data-reload^="phone:"]')) watch();
const mail = document.querySelector('[data-reload="mail"]');
if (mail) setInterval(() => reload(mail), 2000);
