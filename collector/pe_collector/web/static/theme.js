// Before the page is drawn, so that it does not flash in the other colours.
"use strict";
(function () {
  try {
    const kept = localStorage.getItem("theme");
    if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  } catch (refused) { /* a browser that keeps nothing follows the system */ }
})();
