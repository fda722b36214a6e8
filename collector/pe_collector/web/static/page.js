// What pages cannot do without script: local times, the theme, keys, live rows, sending a file.
"use strict";

function localTimes(within) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const at = new Date(time.getAttribute("datetime"));
    if (isNaN(at)) continue;
    const today = at.toDateString() === new Date().toDateString();
    const clock = at.toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23"});
    const day = `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;
    const short = time.closest(".hour") ? clock.slice(0, 5) : clock;
    time.textContent = today || time.closest(".hour") ? short : `${day} ${clock}`;
  }
}

function themeButton() {
  const button = document.getElementById("theme");
  if (!button) return;
  const dark = () => document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; };
  button.addEventListener("click", () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try { localStorage.setItem("theme", next); } catch (refused) { /* lasts for this page only */ }
    name();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
  name();
}

// The newest stretch of time is the last column: on a narrow screen it would lie outside.
function newestFirst() {
  for (const map of document.querySelectorAll("table.map")) {
    const box = map.closest(".scroll");
    box.scrollLeft = box.scrollWidth;
  }
}

function keys() {
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input, textarea, select");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      document.getElementById("find").focus();
    }
    if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !typing) step(event);
  });
}

function step(event) {
  const row = event.target.closest("tbody tr");
  if (!row) return;
  const next = event.key === "ArrowDown" ? row.nextElementSibling : row.previousElementSibling;
  const link = next && next.querySelector("a");
  if (link) { event.preventDefault(); link.focus(); }
}

function liveBoard() {
  const board = document.getElementById("board");
  if (!board) return;
  const said = document.getElementById("live");
  const source = new EventSource(board.dataset.live);
  source.addEventListener("open", () => { said.textContent = "live"; said.classList.add("on"); });
  source.addEventListener("error", () => { said.textContent = "not live, trying again"; said.classList.remove("on"); });
  source.addEventListener("rows", (event) => draw(board, JSON.parse(event.data)));
}

function draw(board, told) {
  const focused = document.activeElement.closest && document.activeElement.closest("#board tbody tr");
  // The rows come escaped from the server, and the policy of the page lets no script of theirs run.
  board.tBodies[0].innerHTML = told.rows;
  localTimes(board);
  document.getElementById("cut").textContent = told.cut;
  for (const [state, count] of Object.entries(told.counts)) {
    document.querySelector(`[data-count="${state}"]`).textContent = count;
  }
  const again = focused && document.getElementById(focused.id);
  if (again) again.querySelector("a").focus();
}

function sendFile() {
  const form = document.getElementById("upload");
  if (!form) return;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const said = document.getElementById("uploaded");
    const csrf = document.querySelector("meta[name=csrf]").content;
    said.replaceChildren(line("sending ..."));
    try {
      const headers = {"x-csrf-token": csrf, "content-type": "application/octet-stream"};
      const answer = await fetch(form.action, {method: "POST", body: document.getElementById("file").files[0], headers});
      const told = await answer.json();
      said.replaceChildren(...(told.said || [told.message]).map(line), ...(told.reports || []).map(opening));
    } catch (failure) {
      said.replaceChildren(line(`not sent: ${failure.message}`));
    }
  });
}

function line(text) {
  const item = document.createElement("li");
  item.textContent = text;
  return item;
}

function opening(report) {
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `/boot/${encodeURIComponent(report)}`;
  link.textContent = `Open report ${report}`;
  item.append(link);
  return item;
}

localTimes(document);
newestFirst();
themeButton();
keys();
liveBoard();
sendFile();
