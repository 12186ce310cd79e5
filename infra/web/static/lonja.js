// Times in the reader's zone and the page's language; countdowns from the server's clock.
const spoken = document.documentElement.lang;
const locale = navigator.language.startsWith(spoken) ? navigator.language : spoken;
const zone = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });

function localTimes(root) {
  for (const element of root.querySelectorAll("time[datetime]:not([data-local])")) {
    element.title = element.textContent;
    element.textContent = zone.format(new Date(element.dateTime));
    element.dataset.local = "yes";
  }
}

// The server's clock: its last known time, continued by a timer that does not depend on the reader's clock. A suspended machine may have
// stopped that timer but not its clock: if the two differ, the clock is used, and the event "clock-jumped" lets listeners ask again.
let ahead = null;
let minuteLeftOf = null;
let drift = Date.now() - performance.now();

function setClock(iso) {
  ahead = new Date(iso) - performance.now();
}

function serverNow() {
  const apart = Date.now() - performance.now() - drift;
  if (Math.abs(apart) > 2000) {
    drift += apart;
    if (ahead !== null) ahead += apart;
    document.dispatchEvent(new Event("clock-jumped"));
  }
  return ahead === null ? Date.now() : performance.now() + ahead;
}

// <span data-until="instant" data-server-now="instant"> counts down; at the end it shows its data-over. Elements with data-minute get
// the event "minute-left". Inside data-at, .before is shown until that instant and .after from then on; data-gone is hidden at its instant.
function countdowns() {
  const counting = document.querySelectorAll("[data-until]");
  for (const element of counting) {
    if (element.dataset.serverNow) {
      setClock(element.dataset.serverNow);
      delete element.dataset.serverNow;
    }
  }
  const now = serverNow();
  for (const element of counting) {
    const seconds = Math.ceil(Math.max(0, new Date(element.dataset.until) - now) / 1000);
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    const text = parts.map((part) => String(part).padStart(2, "0")).join(":");
    const shown = seconds === 0 && element.dataset.over ? element.dataset.over : text;
    if (element.textContent !== shown) element.textContent = shown;
    element.classList.toggle("urgent", seconds <= 30);
    if (element.dataset.minute && seconds <= 60 && seconds > 0 && minuteLeftOf !== element.dataset.until) {
      minuteLeftOf = element.dataset.until;
      element.dispatchEvent(new CustomEvent("minute-left", { bubbles: true, detail: element.dataset.minute }));
    }
  }
  for (const element of document.querySelectorAll("[data-at]")) {
    const begun = new Date(element.dataset.at) <= now;
    for (const part of element.querySelectorAll(".before")) part.hidden = begun;
    for (const part of element.querySelectorAll(".after")) part.hidden = !begun;
    if (begun && element.dataset.call) {
      element.dispatchEvent(new CustomEvent("called", { bubbles: true, detail: element.dataset.call }));
      delete element.dataset.call;
    }
  }
  for (const element of document.querySelectorAll("[data-gone]")) element.hidden = new Date(element.dataset.gone) <= now;
}
document.addEventListener("DOMContentLoaded", () => {
  localTimes(document);
  countdowns();
  setInterval(countdowns, 250);
});
// New parts of the page count down at once: before that they show the whole instant, which is wider.
document.addEventListener("htmx:load", (event) => {
  localTimes(event.detail.elt);
  countdowns();
});

// An element that a person presses is not replaced before the release, because the press would have no effect. A part that reloads itself waits for that.
let pressed = null;
document.addEventListener("pointerdown", (event) => (pressed = event.target));
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => setTimeout(() => (pressed = null)));
document.addEventListener("htmx:beforeSwap", (event) => {
  const asks = event.detail.requestConfig?.elt;
  if (pressed && event.detail.target.contains(pressed) && asks?.matches("[hx-trigger^=every]")) event.detail.shouldSwap = false;
});

// A refused form may be long: the error is scrolled into view and announced. The link to an error beside a field leads
// to the first such field of the page.
function unfold(element) {
  for (let each = element; each; each = each.parentElement) if (each.matches("details")) each.open = true;
}

function show(mistake) {
  unfold(mistake);
  const field = mistake.id ? document.querySelector(`[aria-describedby~="${CSS.escape(mistake.id)}"]`) : null;
  const shown = field?.matches("input, select, textarea") ? field : mistake;
  if (shown === mistake) mistake.tabIndex = -1;
  shown.focus({ preventScroll: true });
  const { top, bottom, left, right } = mistake.getBoundingClientRect();
  if (top < 0 || bottom > innerHeight || left < 0 || right > innerWidth) mistake.scrollIntoView({ block: "center" });
}
addEventListener("load", () => {
  const mistake = document.querySelector('main p.error[role="alert"], main p.error[id]');
  if (mistake && !location.hash && document.activeElement === document.body) show(mistake);
});
document.addEventListener("click", (event) => {
  const link = event.target.closest?.('main p.error[role="alert"] a[href$="-note"]');
  const mistake = link && document.querySelector("main p.error[id]");
  if (!mistake) return;
  event.preventDefault();
  show(mistake);
});

// A form that is not sent yet, or a search, is kept when the language changes: it is stored here and filled in when its page is loaded
// again. If a form has data-again, the server fills it in, including added lines; the other forms
// of its page are filled in on the page that answers.
document.documentElement.classList.add("scripted");
const written = "main form";
const placeOf = (address) => `lonja form ${address}`;

const goalOf = (form) => `${form.getAttribute("method") ?? "get"} ${form.getAttribute("action") ?? ""}`;

const isChoice = (element) => ["checkbox", "radio"].includes(element.type);

function fieldsOf(form) {
  const typed = [...form.elements].filter((each) => each.name && each.name !== "_csrf_token" && !["submit", "button", "password"].includes(each.type));
  return typed.map((each) => ({ name: each.name, value: each.value, hidden: each.type === "hidden", on: !isChoice(each) || each.checked }));
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches(".languages")) return;
  const forms = [...document.querySelectorAll(written)].map((form) => ({ goal: goalOf(form), fields: fieldsOf(form) }));
  if (forms.length) sessionStorage.setItem(placeOf(event.target.elements.next.value), JSON.stringify(forms));
});

// Called through the prototype, because a field may be named submit or action.
const send = (form) => HTMLFormElement.prototype.submit.call(form);

function sendAgain(form, fields) {
  const copy = document.createElement("form");
  copy.method = "post";
  copy.action = form.getAttribute("action");
  const pairs = [["_csrf_token", form.elements._csrf_token.value], ...fields.filter((each) => each.on).map((each) => [each.name, each.value]), form.dataset.again.split("=")];
  for (const [name, value] of pairs) {
    const field = document.createElement("textarea");
    field.name = name;
    field.value = value;
    copy.append(field);
  }
  copy.hidden = true;
  document.body.append(copy);
  send(copy);
}

// Whether a person changed the field already, while the page was still loading.
function isTouched(element) {
  if (isChoice(element)) return element.checked !== element.defaultChecked;
  if (!element.options) return element.value !== element.defaultValue;
  return element.value !== ([...element.options].find((option) => option.defaultSelected) ?? element.options[0])?.value;
}

// A field is identified by its name and its index among those of that name; a choice by its value, because another page may have others.
function fillIn(form, fields) {
  const met = new Set();
  for (const each of fields) {
    const element = [...form.elements].find((one) => one.name === each.name && !met.has(one) && (!isChoice(one) || one.value === each.value));
    if (!element) continue;
    met.add(element);
    if (each.hidden || isTouched(element)) continue;
    const before = isChoice(element) ? element.checked : element.value;
    if (isChoice(element)) element.checked = each.on;
    else element.value = each.value;
    if (before !== (isChoice(element) ? element.checked : element.value)) unfold(element);
  }
}

document.addEventListener("DOMContentLoaded", () => {
  const place = placeOf(document.querySelector(".languages [name=next]")?.value);
  const kept = JSON.parse(sessionStorage.getItem(place) ?? "null");
  sessionStorage.removeItem(place);
  if (!kept) return;
  const left = [...kept];
  const pairs = [];
  for (const form of document.querySelectorAll(written)) {
    const number = left.findIndex((each) => each.goal === goalOf(form));
    if (number >= 0) pairs.push([form, left.splice(number, 1)[0]]);
  }
  const [form, whole] = pairs.find(([form]) => form.dataset.again) ?? [];
  if (!form) {
    for (const [each, { fields }] of pairs) fillIn(each, fields);
    return;
  }
  const others = kept.filter((each) => each !== whole);
  if (others.length) sessionStorage.setItem(place, JSON.stringify(others));
  sendAgain(form, whole.fields);
});

// A form that changes only a part of its page: the errors of its fields come with the answer and are shown beside them.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, requestConfig } = event.detail;
  const form = requestConfig.elt;
  if (!form.matches("form[hx-get][hx-select]") || ![200, 422].includes(xhr.status)) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
  const answer = new DOMParser().parseFromString(xhr.responseText, "text/html");
  for (const field of form.elements) {
    const same = field.id && answer.getElementById(field.id);
    if (!same) continue;
    for (const name of ["aria-invalid", "aria-describedby"]) {
      if (same.hasAttribute(name)) field.setAttribute(name, same.getAttribute(name));
      else field.removeAttribute(name);
    }
    const note = answer.getElementById(`${field.id}-note`);
    document.getElementById(`${field.id}-note`)?.remove();
    if (!note) continue;
    if (note.matches(".error")) note.setAttribute("role", "alert");
    field.after(note);
  }
});

// If a part of a page cannot be loaded, its form is sent as a whole: the page that answers says why, and keeps
// what was written.
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.requestConfig.verb !== "post") return;
  const asked = event.detail.elt;
  if (!asked.hasAttribute("hx-select")) return; // a form that changes only a part shows its own error
  const form = asked.closest("form[method=post][action]");
  if (!form) return;
  if (asked.name) {
    const pressed = document.createElement("input");
    Object.assign(pressed, { type: "hidden", name: asked.name, value: asked.value });
    form.append(pressed);
  }
  send(form);
});
