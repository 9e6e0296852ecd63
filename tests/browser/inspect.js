// Looks at a page as its users need it, and answers with what is wrong in it, as sentences.
// arguments[0]: { what: "all" | "contrast" | "width", touch: boolean }
const { what, touch } = arguments[0];
const wrong = [];
const words = (thing) => (thing.textContent || thing.value || "").replace(/\s+/g, " ").trim().slice(0, 40);
const name = (thing) => `<${thing.tagName.toLowerCase()}${thing.id ? " #" + thing.id : ""}> ${JSON.stringify(words(thing))}`;
const all = (css, root = document) => [...root.querySelectorAll(css)];
const isSimulator = document.title.endsWith("Simulator");

// What is there for screen readers alone is clipped away.
function seen(thing) {
  if (!thing.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true })) return false;
  for (let at = thing; at; at = at.parentElement) {
    if (getComputedStyle(at).clipPath.startsWith("inset(50%")) return false;
  }
  return true;
}

function checkWidth() {
  if (document.documentElement.scrollWidth <= innerWidth) return;
  wrong.push(`${document.documentElement.scrollWidth} px wide in a window of ${innerWidth}`);
  for (const thing of all("body *")) {
    if (seen(thing) && thing.getBoundingClientRect().right > innerWidth + 0.5) wrong.push(`sticks out: ${name(thing)}`);
  }
}

// ── contrast

function colour(text) {
  const [red, green, blue, alpha = 1] = text.match(/[\d.]+/g).map(Number);
  return { red, green, blue, alpha };
}

function over(top, below) {
  const mix = (a, b) => a * top.alpha + b * (1 - top.alpha);
  return { red: mix(top.red, below.red), green: mix(top.green, below.green), blue: mix(top.blue, below.blue), alpha: 1 };
}

function ground(thing) {
  const layers = [];
  for (let at = thing; at; at = at.parentElement) {
    const layer = colour(getComputedStyle(at).backgroundColor);
    if (layer.alpha > 0) layers.push(layer);
    if (layer.alpha === 1) break;
  }
  return layers.reduceRight((below, layer) => over(layer, below), { red: 255, green: 255, blue: 255, alpha: 1 });
}

// The shape that a word in a drawing stands on, or else the page.
function groundOfDrawing(text) {
  const box = text.getBoundingClientRect();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const shapes = all("rect, circle", text.ownerSVGElement).filter((shape) => {
    const at = shape.getBoundingClientRect();
    return at.left <= x && x <= at.right && at.top <= y && y <= at.bottom && getComputedStyle(shape).fill !== "none";
  });
  const last = shapes.pop();
  return last ? over(colour(getComputedStyle(last).fill), ground(text.ownerSVGElement.parentElement)) : ground(text.ownerSVGElement.parentElement);
}

function light({ red, green, blue }) {
  const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
}

function contrast(ink, below) {
  const [a, b] = [light(over(ink, below)), light(below)].sort((one, other) => other - one);
  return (a + 0.05) / (b + 0.05);
}

function need(thing, ratio, least) {
  if (ratio < least - 0.005) wrong.push(`contrast ${ratio.toFixed(2)} where ${least} is needed: ${name(thing)}`);
}

function leastFor(style) {
  const size = parseFloat(style.fontSize);
  return size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
}

function checkContrast() {
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const looked = new Set();
  while (walk.nextNode()) {
    const thing = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || looked.has(thing) || thing.closest("script, noscript, title, desc, option, optgroup")) continue;
    looked.add(thing);
    if (!seen(thing) || thing.closest("label:has(:disabled), :disabled")) continue;
    const style = getComputedStyle(thing);
    const drawn = thing.closest("svg");
    if (drawn) need(thing, contrast(colour(style.fill), groundOfDrawing(thing)), leastFor(style));
    else need(thing, contrast(colour(style.color), ground(thing)), leastFor(style));
  }
  for (const field of all("input:not([type=hidden], [type=radio], [type=checkbox]), select, textarea").filter(seen)) {
    const style = getComputedStyle(field);
    need(field, contrast(colour(style.color), ground(field)), 4.5);
    if (field.placeholder) need(field, contrast(colour(getComputedStyle(field, "::placeholder").color), ground(field)), 4.5);
    need(field, contrast(colour(style.borderTopColor), ground(field.parentElement)), 3);
  }
}

// ── structure

function checkStructure() {
  if (!document.title.trim()) wrong.push("no title");
  if (!document.documentElement.lang) wrong.push("no language");
  const landmarks = isSimulator ? ["header", "nav", "main"] : ["header", "nav", "main", "footer"];
  for (const landmark of landmarks) {
    if (all(landmark).filter((thing) => !thing.parentElement.closest("section, main")).length !== 1) wrong.push(`not one <${landmark}>`);
  }
  for (const nav of all("nav")) if (!nav.getAttribute("aria-label")) wrong.push("a <nav> without a name");
  const headings = all("h1, h2, h3, h4").filter((thing) => thing.checkVisibility());
  if (headings.filter((thing) => thing.tagName === "H1").length !== 1) wrong.push("not one h1");
  let level = 0;
  for (const heading of headings) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1 && heading.closest("main")) wrong.push(`from h${level} to h${next}: ${name(heading)}`);
    if (!words(heading)) wrong.push("an empty heading");
    level = next;
  }
  const ids = all("[id]").map((thing) => thing.id);
  for (const id of ids.filter((one, at) => ids.indexOf(one) !== at)) wrong.push(`the id ${id} twice`);
  for (const attribute of ["aria-describedby", "aria-labelledby", "aria-controls", "for", "list"]) {
    for (const thing of all(`[${attribute}]`)) {
      for (const id of thing.getAttribute(attribute).trim().split(/\s+/)) {
        if (!document.getElementById(id)) wrong.push(`${attribute} leads to no ${id}`);
      }
    }
  }
}

function nameOf(thing) {
  const labels = (thing.getAttribute("aria-labelledby") || "").split(/\s+/).filter(Boolean).map((id) => words(document.getElementById(id)));
  return thing.getAttribute("aria-label") || labels.join(" ") || [...(thing.labels || [])].map(words).join(" ");
}

function checkControls() {
  for (const field of all("input:not([type=hidden]), select, textarea")) {
    if (!nameOf(field)) wrong.push(`no label: ${field.outerHTML.slice(0, 80)}`);
    if (!field.closest("form") && field.name) wrong.push(`outside a form: ${name(field)}`);
  }
  for (const thing of all("a, button, summary")) {
    if (!words(thing) && !nameOf(thing)) wrong.push(`nothing to read on ${thing.outerHTML.slice(0, 80)}`);
  }
  for (const image of all("img, svg")) {
    if (!image.hasAttribute("hidden") && !image.hasAttribute("alt") && image.getAttribute("aria-hidden") !== "true" && image.getAttribute("role") !== "img") {
      wrong.push(`a picture without words: ${image.outerHTML.slice(0, 80)}`);
    }
  }
  for (const link of all("a[href^='tel:']")) wrong.push(`calling it shows one's own number: ${link.textContent}`);
  for (const number of all(".plate .number, .line .number")) {
    if (/\+\d{8}/.test(number.textContent)) wrong.push(`digits in one lump: ${number.textContent}`);
  }
  if (touch) checkTargets();
}

function checkTargets() {
  for (const thing of all("button, input:not([type=hidden]), select, textarea, summary, a.button, nav a").filter(seen)) {
    const target = thing.matches("[type=radio], [type=checkbox]") ? thing.closest("label") : thing;
    const height = target.getBoundingClientRect().height;
    if (height < 43.99) wrong.push(`${height.toFixed(1)} px are too low for a finger: ${name(target)}`);
  }
}

// ── weight

function checkWeight() {
  const page = performance.getEntriesByType("navigation")[0];
  const parts = performance.getEntriesByType("resource");
  for (const part of parts) if (!part.name.startsWith(location.origin + "/")) wrong.push(`from elsewhere: ${part.name}`);
  if (isSimulator) return;
  // What is asked for again while something goes on is no part of the page, and the icon is for the browser's own frame.
  const icon = document.querySelector("link[rel=icon]").href;
  const loaded = parts.filter((part) => part.initiatorType !== "fetch" && part.name !== icon);
  if (loaded.length > 2) wrong.push(`${loaded.length} requests beside the page: ${loaded.map((part) => part.name)}`);
  const bytes = [page, ...loaded].reduce((sum, part) => sum + part.decodedBodySize, 0);
  if (bytes > 50 * 1024) wrong.push(`${bytes} bytes are more than 50 KB`);
  if (all("[style], style, script:not([src]), [onclick]").length) wrong.push("something inline");
}

if (what === "all") {
  checkStructure();
  checkControls();
  checkWeight();
  checkContrast();
}
if (what === "contrast") checkContrast();
if (what !== "contrast") checkWidth();
return wrong;
