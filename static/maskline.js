// The few touches that a page gains with a script: copying, sharing, live progress, the length of a password, the time zone.
// Every page works without it. It writes text only through textContent and takes parts of our own pages only as parsed
// documents, never as strings of HTML.
"use strict";

const every = 2000; // milliseconds between two looks at something that is being set up
const patience = 150; // looks before we leave it to the reader to reload

function enhance(root) {
  root.querySelectorAll("[data-copy]").forEach(offerCopy);
  root.querySelectorAll("[data-share]").forEach(offerShare);
  root.querySelectorAll("[data-reveal]").forEach(offerReveal);
  root.querySelectorAll("[data-least]").forEach(countLetters);
  root.querySelectorAll("[data-time-zone]").forEach(fillTimeZone);
}

// <button data-copy="+14075550100" hidden>: shown where copying works; says so in its own words for two seconds.
function offerCopy(button) {
  if (!navigator.clipboard) return;
  const words = button.querySelector("[data-words]") || button;
  const before = words.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      announce(words, "Copied", before);
    } catch {
      announce(words, "Not copied", before);
    }
  });
}

function announce(words, text, before) {
  words.textContent = text;
  setTimeout(() => { words.textContent = before; }, 2000);
}

// <button data-share="+1 407 555 0100" hidden>: the phone's own sheet for sending something on.
function offerShare(button) {
  if (!navigator.share) return;
  button.hidden = false;
  button.addEventListener("click", () => navigator.share({ text: button.dataset.share }).catch(() => {}));
}

// <button data-reveal="password" hidden>: shows or hides what is typed in the field of that id.
function offerReveal(button) {
  const field = document.getElementById(button.dataset.reveal);
  if (!field) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = field.type === "text";
    field.type = shown ? "password" : "text";
    button.textContent = shown ? "Show" : "Hide";
    button.setAttribute("aria-pressed", String(!shown));
  });
  if (field.form) field.form.addEventListener("submit", () => { field.type = "password"; });
}

// <input data-least="15">: counts in the element with the id "<field>-count" while a new password is typed.
function countLetters(field) {
  const count = document.getElementById(field.id + "-count");
  if (!count) return;
  const least = Number(field.dataset.least);
  field.addEventListener("input", () => {
    const letters = Array.from(field.value).length;
    if (letters === 0) count.textContent = "";
    else if (letters < least) count.textContent = `${letters} of ${least} characters`;
    else count.textContent = `${letters} characters: long enough`;
  });
}

// <input type="hidden" data-time-zone>: the zone of this browser's clocks, such as Europe/Berlin.
function fillTimeZone(field) {
  field.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
}

// Elements with data-live and an id are asked for again, all in one request at the page's own address, until the page
// comes back without any. A part in which somebody is typing is left alone.
const seen = new WeakMap();

async function follow() {
  for (let look = 0; look < patience; look += 1) {
    await new Promise((done) => setTimeout(done, every));
    if (document.hidden) continue;
    const page = await fetchPage();
    if (page) document.querySelectorAll("[data-live][id]").forEach((part) => renew(part, page.getElementById(part.id)));
    if (!document.querySelector("[data-live][id]")) return;
  }
}

function renew(part, fresh) {
  if (!fresh || seen.get(part) === fresh.outerHTML) return;
  if (part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea")) return;
  seen.set(fresh, fresh.outerHTML);
  part.replaceWith(document.adoptNode(fresh));
  enhance(fresh);
}

async function fetchPage() {
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error", cache: "no-store" });
    return answer.ok ? new DOMParser().parseFromString(await answer.text(), "text/html") : null;
  } catch {
    return null; // the network is away for a moment; the next look may find it
  }
}

const live = document.querySelectorAll("[data-live][id]");
live.forEach((part) => seen.set(part, part.outerHTML));
enhance(document);
if (live.length > 0) follow();
