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

// <span data-until="ISO instant" data-server-now="ISO instant">: counts down by the server's clock, not the reader's.
function countdowns() {
  for (const element of document.querySelectorAll("[data-until]")) {
    if (element.dataset.serverNow) {
      element.skew = new Date(element.dataset.serverNow) - Date.now();
      delete element.dataset.serverNow;
    }
    const left = Math.max(0, new Date(element.dataset.until) - Date.now() - (element.skew || 0));
    const seconds = Math.ceil(left / 1000);
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    element.textContent = parts.map((part) => String(part).padStart(2, "0")).join(":");
    element.classList.toggle("urgent", seconds <= 30);
  }
}

document.addEventListener("DOMContentLoaded", () => {
  localTimes(document);
  countdowns();
  setInterval(countdowns, 250);
});
document.addEventListener("htmx:load", (event) => localTimes(event.detail.elt));
