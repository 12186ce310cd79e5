// The values in the fields of a search, or of any form whose answer replaces a part of the page (hx-get), are used at the moment of a click,
// even if the page has not sent them yet. Links and hidden fields with data-takes="FORM NAME…" take these fields from that form.
const live = "form[hx-get][hx-push-url]";
const shown = new WeakMap();

// Hidden fields come with the page: only fields that a person can change are compared.
function fieldsIn(form, valueOf) {
  const pairs = [...form.elements].filter((each) => each.name && !["submit", "button", "hidden"].includes(each.type)).map((each) => [each.name, valueOf(each)]);
  return JSON.stringify(pairs);
}

const typedIn = (form) => fieldsIn(form, (each) => (isChoice(each) ? each.checked : each.value));

// The values that the server sent, whatever a browser filled in when a person came back.
function asSent(form) {
  return fieldsIn(form, (each) => {
    if (each.options) return ([...each.options].find((option) => option.defaultSelected) ?? each.options[0])?.value;
    return isChoice(each) ? each.defaultChecked : each.defaultValue;
  });
}

function isOutdated(form) {
  if (!shown.has(form)) shown.set(form, asSent(form));
  return typedIn(form) !== shown.get(form);
}

function follow() {
  for (const form of document.querySelectorAll(live)) {
    document.querySelector(form.getAttribute("hx-target"))?.classList.toggle("outdated", isOutdated(form));
  }
  for (const each of document.querySelectorAll("[data-takes]")) {
    const [id, ...names] = each.dataset.takes.split(" ");
    const form = document.getElementById(id);
    if (!form) continue;
    const attribute = each.matches("a") ? "href" : "value";
    each.dataset.sent ??= each.getAttribute(attribute);
    each.setAttribute(attribute, isOutdated(form) ? taking(each, form, names) : each.dataset.sent);
  }
}

function taking(each, form, names) {
  const typed = new FormData(form);
  if (!each.matches("a")) return typed.get(names[0]) ?? "";
  const address = new URL(each.dataset.sent, location.href);
  for (const name of names) {
    if (typed.has(name)) address.searchParams.set(name, typed.get(name));
    else address.searchParams.delete(name);
  }
  address.searchParams.delete("page"); // it belongs to the shown result, not to the typed text
  return address.pathname + address.search + address.hash;
}

function ask(form) {
  if (form.isConnected && isOutdated(form)) htmx.trigger(form, "submit");
}

for (const change of ["input", "change"]) document.addEventListener(change, follow);
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.matches(live)) event.detail.requestConfig.typed = typedIn(event.detail.elt);
});
document.addEventListener("htmx:beforeSwap", (event) => {
  const { requestConfig, xhr } = event.detail;
  const form = requestConfig?.elt;
  if (!form?.matches(live) || ![200, 422].includes(xhr.status)) return;
  // An element that a person presses is not replaced before the release; then it is loaded again, if the page is still open.
  if (pressed && event.detail.target.contains(pressed)) {
    event.detail.shouldSwap = false;
    for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => setTimeout(() => ask(form), 100), { once: true });
    return;
  }
  shown.set(form, requestConfig.typed);
});
document.addEventListener("htmx:load", follow);

// A browser may fill in earlier values of the fields, and htmx may show an earlier search beside the refusal of a later one:
// fields, notes and results are set to those of the address again.
addEventListener("pageshow", () => {
  follow();
  document.querySelectorAll(live).forEach(ask);
});
document.addEventListener("htmx:historyRestore", () => {
  const asked = new URLSearchParams(location.search);
  for (const form of document.querySelectorAll(live)) {
    for (const each of form.elements) {
      if (each.type === "checkbox") each.checked = asked.has(each.name);
      else if (each.type !== "hidden" && asked.has(each.name)) each.value = asked.get(each.name);
    }
    shown.set(form, typedIn(form));
    htmx.trigger(form, "submit");
  }
  follow();
});

// Hidden fields with data-here have the address to return to: that of the present page.
function sayWhere() {
  for (const each of document.querySelectorAll("[data-here]")) each.value = location.pathname + location.search;
}
for (const moved of ["htmx:pushedIntoHistory", "htmx:historyRestore"]) document.addEventListener(moved, sayWhere);

// If a person follows a link before the page has sent what was typed, they can return to it: this page's address becomes that of its answer.
function remember() {
  for (const form of document.querySelectorAll(live)) {
    if (!isOutdated(form)) continue;
    const query = [...new FormData(form)].map((pair) => pair.map(encodeURIComponent).join("=")).join("&");
    history.replaceState(history.state, "", `${form.getAttribute("action")}?${query}`);
    sayWhere();
  }
}
document.addEventListener("click", (event) => {
  const elsewhere = event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
  if (!elsewhere && event.target.closest("a[href]")) remember();
});
// Before the forms of the page are stored for another language.
document.addEventListener("submit", (event) => event.target.matches(live) || remember(), true);
document.addEventListener("htmx:beforeHistoryUpdate", (event) => {
  const { history: update } = event.detail;
  if (new URL(update.path, location.href).href === location.href) update.type = "replace"; // no second entry for it
});
