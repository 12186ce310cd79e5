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

// The server's clock: what it said last, carried on by a timer that the reader's clock does not move. A machine that slept may have
// stopped that timer, but not its clock: where the two part, the clock is believed, and "clock-jumped" tells whoever can ask again.
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

// <span data-until="instant" data-server-now="instant"> counts down; at the end it says its data-over. "minute-left" is sent to those
// with data-minute. Inside data-at, .before is shown until that instant and .after from then on; data-gone goes at its instant.
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
// What was swapped in counts down at once: until then it holds the whole instant, which is wider.
document.addEventListener("htmx:load", (event) => {
  localTimes(event.detail.elt);
  countdowns();
});
