"use strict";
(function () {
  var root = document.documentElement;

  function stored(value) {
    try {
      if (value === undefined) { return window.localStorage.getItem("pinndiag-theme"); }
      window.localStorage.setItem("pinndiag-theme", value);
    } catch (error) { /* a sandboxed page has no storage; the choice then lasts as long as the page */ }
    return null;
  }

  var theme = stored();
  if (theme === "dark" || theme === "light") { root.dataset.theme = theme; }

  function said(button, text) {
    var before = button.textContent;
    button.textContent = text;
    window.setTimeout(function () { button.textContent = before; }, 1500);
  }

  function copied(button, text) {
    function byHand() {
      var area = document.createElement("textarea");
      area.value = text;
      document.body.appendChild(area);
      area.select();
      var done = false;
      try { done = document.execCommand("copy"); } catch (error) { done = false; }
      area.remove();
      said(button, done ? "Copied" : "Could not copy");
    }
    if (navigator.clipboard) {
      navigator.clipboard.writeText(text).then(function () { said(button, "Copied"); }, byHand);
    } else { byHand(); }
  }

  document.querySelectorAll("button[data-copy]").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () { copied(button, button.dataset.copy); });
  });

  document.getElementById("save").addEventListener("click", function () {
    var text = document.getElementById("diagnosis").textContent;
    var link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = document.getElementById("save").dataset.name;
    link.click();
    window.setTimeout(function () { URL.revokeObjectURL(link.href); }, 1000);
  });

  document.getElementById("theme").addEventListener("click", function () {
    var dark = root.dataset.theme ? root.dataset.theme === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    stored(root.dataset.theme);
  });

  function reveal() {
    var target = window.location.hash.length > 1 && document.getElementById(window.location.hash.slice(1));
    for (var node = target; node; node = node.parentElement) {
      if (node.tagName === "DETAILS") { node.open = true; }
    }
  }
  window.addEventListener("hashchange", reveal);
  reveal();

  // a box that scrolls says so, also where the system hides its scroll bars
  function hint(box) { box.classList.toggle("overflows", box.scrollWidth > box.clientWidth + 1); }
  if (window.ResizeObserver) {
    var watch = new ResizeObserver(function (entries) {
      window.requestAnimationFrame(function () { entries.forEach(function (entry) { hint(entry.target); }); });
    });
    document.querySelectorAll(".scroll,pre").forEach(function (box) { watch.observe(box); });
  }

  var folded = [];
  window.addEventListener("beforeprint", function () {
    folded = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    folded.forEach(function (item) { item.open = true; });
  });
  window.addEventListener("afterprint", function () {
    folded.forEach(function (item) { item.open = false; });
  });

  document.getElementById("actions").hidden = false;
})();
