// The only script: times in the browser's zone, live parts, results while typing.
// Every page works without it.
"use strict";

const language = document.documentElement.lang;
const format = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });

function localTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (!Number.isNaN(at.getTime())) {
      time.title = time.dateTime;
      time.textContent = format.format(at);
    }
  }
}

// Replaces the parts of this page that are on the other page, too, by their ids.
function replaceParts(html, selector) {
  const fresh = new DOMParser().parseFromString(html, "text/html");
  for (const part of document.querySelectorAll(selector)) {
    const other = fresh.getElementById(part.id);
    if (other && !part.contains(document.activeElement)) {
      localTimes(other);
      if (other.innerHTML !== part.innerHTML) part.replaceChildren(...other.childNodes);
    }
  }
}

async function load(url, selector, signal) {
  const answer = await fetch(url, { headers: { Accept: "text/html" }, signal });
  if (answer.redirected) location.reload(); // the session has ended
  else if (answer.ok) replaceParts(await answer.text(), selector);
}

// <section id="health" data-live="10">: loaded anew every ten seconds while the page is seen;
// with data-source, from the page with that address. Parts of one page are loaded together.
function live() {
  const parts = [...document.querySelectorAll("[data-live]")];
  const sources = new Map();
  for (const part of parts) {
    const source = part.dataset.source || ""; // what is typed changes the page's address
    sources.set(source, Math.min(Number(part.dataset.live), sources.get(source) || Infinity));
  }
  for (const [source, seconds] of sources) {
    setInterval(() => {
      if (!document.hidden) load(source || location.href, "[data-live]").catch(() => {});
    }, 1000 * seconds);
  }
}

// <form method="get" data-results="results">: the part with that id follows what is typed.
function whileTyping() {
  for (const form of document.querySelectorAll("form[data-results]")) {
    let wait, running;
    form.addEventListener("input", () => {
      clearTimeout(wait);
      wait = setTimeout(() => {
        if (running) running.abort();
        running = new AbortController();
        const query = new URLSearchParams(new FormData(form));
        const url = `${form.action}?${query}`;
        history.replaceState(null, "", url);
        load(url, `#${form.dataset.results}`, running.signal).catch(() => {});
      }, 250);
    });
  }
}

localTimes(document);
live();
whileTyping();
