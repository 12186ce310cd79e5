// The page of a running auction: it announces changes to screen readers, keeps the keyboard focus, and updates itself after an interruption.
const auction = document.getElementById("news").parentElement;

// Announcements for screen readers: only changes, by kind, at most every few seconds; urgent ones at once.
const QUIET = 4000;
const heard = {};
const waiting = new Map();
let spokeAt = -QUIET;
let speaking;

function say(kind, text) {
  text = text.trim();
  if (!text || heard[kind] === text) return;
  heard[kind] = text;
  if (kind === "over") waiting.clear();
  waiting.set(kind, text);
  clearTimeout(speaking);
  speaking = setTimeout(speak, Math.max(300, spokeAt + QUIET - performance.now()));
}

function speak() {
  document.getElementById("said").textContent = [...waiting.values()].join(" ");
  waiting.clear();
  spokeAt = performance.now();
}

function alarm(text) {
  const place = document.getElementById("alarm");
  place.textContent = "";
  setTimeout(() => { place.textContent = text; }, 50);
}

function listen() {
  for (const part of auction.querySelectorAll("#news [data-say]")) say(part.dataset.say, part.textContent);
  const standing = document.getElementById("standing");
  const now = standing ? standing.dataset.standing : "";
  if (standing && now !== stood && (stood || now !== "trails")) {
    if ("urgent" in standing.dataset) alarm(standing.dataset.words);
    else say("standing", standing.dataset.words);
  }
  stood = now || stood;
}

let stood = document.getElementById("standing")?.dataset.standing || "";
for (const part of auction.querySelectorAll("#news [data-say]")) heard[part.dataset.say] = part.textContent.trim();
auction.addEventListener("htmx:sseMessage", listen);
auction.addEventListener("htmx:oobAfterSwap", listen);
auction.addEventListener("minute-left", (event) => {
  heard.minute = "";  // after an extension it is announced again
  say("minute", event.detail);
});
auction.addEventListener("called", (event) => alarm(event.detail));

// Keyboard focus: if the focused element is gone, the same button gets the focus, else the next bid, else its heading.
let held = null;
let changedAt = -1000;
let offered = amounts();

function amounts() {
  return [...document.querySelectorAll("#mine button[name=amount]")].map((button) => button.value).join();
}

document.addEventListener("focusin", (event) => {
  const mine = event.target.closest("#mine");
  held = mine ? { id: event.target.id, bids: event.target.name === "amount" } : null;
});
document.addEventListener("focusout", (event) => {
  setTimeout(() => {
    if (event.target.isConnected && document.activeElement === document.body) held = null;
  });
});
new MutationObserver((changes) => {
  if (!changes.some((change) => change.target.closest?.("#mine") || [...change.addedNodes].some((node) => node.id === "mine"))) return;
  if (offered !== amounts()) changedAt = performance.now();
  offered = amounts();
  if (!held || document.activeElement !== document.body) return;
  const next = (held.id && document.getElementById(held.id)) || (held.bids && document.querySelector("#mine button[name=amount]"));
  (next || document.querySelector("#mine h2"))?.focus({ preventScroll: true });
}).observe(auction, { childList: true, subtree: true });

function tellInstead(word) {
  const place = document.getElementById("verdict");
  const said = document.createElement("p");
  said.className = "error";
  said.setAttribute("role", "alert");
  said.textContent = place.dataset[word];
  place.replaceChildren(said);
}

// A price that changed just before a press is not bid, because the bidder saw another price. A message says that no bid was made.
auction.addEventListener("click", (event) => {
  if (event.target.closest("#mine button[name=amount]") && event.isTrusted && performance.now() - changedAt < 250) {
    event.preventDefault();
    event.stopPropagation();
    tellInstead("moved");
  }
}, true);

auction.addEventListener("click", (event) => {
  const dismissed = event.target.closest("[data-dismiss]");
  if (!dismissed) return;
  event.preventDefault();
  const back = document.querySelector(dismissed.dataset.dismiss);
  document.getElementById("verdict").replaceChildren();
  back?.focus();
});

// If a bid gets no answer, a message says so.
function unanswered(event) {
  if (event.detail.target.id === "verdict") tellInstead(event.detail.xhr?.status === 401 ? "login" : "failed");
}
auction.addEventListener("htmx:responseError", unanswered);
auction.addEventListener("htmx:sendError", unanswered);

// The stream: every push ends with its number, so that a new connection begins where the last one broke. It is renewed if nothing came
// for too long, when the page becomes visible again, and after the machine was suspended.
const SILENCE = 45_000;
const AWAY = 10_000;
let source = null;
let lastAt = performance.now();
let hiddenAt = null;
let telling;
let over = !auction.hasAttribute("sse-connect");

function lost(isLost) {
  document.querySelector("#connection span").hidden = !isLost;
  auction.classList.toggle("lost", isLost);
}

function seen(event) {
  lastAt = performance.now();
  if (event.data) setClock(event.data);
  if (event.lastEventId) {
    const [path] = auction.getAttribute("sse-connect").split("?");
    auction.setAttribute("sse-connect", `${path}?since=${event.lastEventId}`);
  }
}

function renew() {
  if (over || !source || source.readyState === EventSource.CLOSED) return;
  source.close();
  source.dispatchEvent(new Event("error"));
}

auction.addEventListener("htmx:sseOpen", (event) => {
  if (source !== event.detail.source) {
    source = event.detail.source;
    source.addEventListener("seen", seen);
  }
  lastAt = performance.now();
  clearTimeout(telling);
  lost(false);
});
auction.addEventListener("htmx:sseError", () => {
  clearTimeout(telling);
  if (!over) telling = setTimeout(lost, 1000, true);
});
auction.addEventListener("htmx:sseClose", (event) => {
  if (event.detail.type !== "message") return;
  over = true;
  clearTimeout(telling);
  lost(false);
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenAt = performance.now();
  else if (hiddenAt !== null && performance.now() - hiddenAt > AWAY) renew();
});
document.addEventListener("clock-jumped", renew);
window.addEventListener("online", renew);
window.addEventListener("pageshow", (event) => { if (event.persisted) renew(); });
setInterval(() => { if (performance.now() - lastAt > SILENCE) renew(); }, 5000);
