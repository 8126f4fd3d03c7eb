"use strict";
(function () {
  // What the timelines of a run gain where scripts run: zoom, one cursor for all, terms switched on and off.
  // The drawings themselves hold only straight lines, so that a zoom is a new set of horizontal coordinates.
  var SVG = "http://www.w3.org/2000/svg";
  var charts = Array.prototype.map.call(document.querySelectorAll("svg[data-timeline]"), chart);
  if (!charts.length) { return; }
  var first = Number(charts[0].svg.dataset.first), last = Number(charts[0].svg.dataset.last);
  var from = first, to = last, off = {};
  var history = null;
  try { history = JSON.parse(document.getElementById("diagnosis").textContent).history; } catch (error) { /* no values */ }

  function chart(svg) {
    var box = svg.dataset.box.split(" ").map(Number);
    var marks = [];
    svg.querySelectorAll("path[clip-path],g[clip-path] use").forEach(function (node) {
      var path = node.tagName === "path";
      marks.push({ node: node, path: path, was: path ? node.getAttribute("d") : Number(node.getAttribute("x")) });
    });
    var cursor = svg.appendChild(document.createElementNS(SVG, "path"));
    cursor.setAttribute("style", "stroke:var(--ink);stroke-width:1;opacity:.6;pointer-events:none");
    var choice = svg.appendChild(document.createElementNS(SVG, "rect"));
    choice.setAttribute("style", "fill:var(--link);opacity:.18;pointer-events:none");
    choice.setAttribute("y", box[1]);
    choice.setAttribute("height", box[3] - box[1]);
    choice.setAttribute("width", 0);
    var ticks = svg.querySelectorAll('[data-axis="x"]');
    var readout = document.createElement("div");
    readout.className = "readout";
    readout.setAttribute("aria-hidden", "true");
    if (svg.dataset.timeline !== "held") { svg.parentNode.insertAdjacentElement("afterend", readout); }
    svg.classList.add("ready");
    return {
      svg: svg, left: box[0], top: box[1], right: box[2], bottom: box[3], marks: marks, cursor: cursor, choice: choice,
      readout: readout, ticks: ticks, own: [], names: JSON.parse(svg.dataset.names)
    };
  }

  function moved(item, x) {
    var step = first + (x - item.left) / (item.right - item.left) * (last - first);
    var place = item.left + (step - from) / (to - from) * (item.right - item.left);
    return Math.max(-9999, Math.min(9999, Math.round(10 * place) / 10));
  }

  function redraw(item) {
    item.marks.forEach(function (mark) {
      if (!mark.path) { mark.node.setAttribute("x", moved(item, mark.was)); return; }
      mark.node.setAttribute("d", mark.was.replace(/([ML ]?)(-?[\d.]+) (-?[\d.]+)/g, function (all, letter, x, y) {
        return letter + moved(item, Number(x)) + " " + y;
      }));
    });
    var whole = from === first && to === last;
    item.ticks.forEach(function (tick) { tick.style.display = whole ? "" : "none"; });
    item.own.forEach(function (tick) { tick.remove(); });
    item.own = [];
    if (whole) { return; }
    var unit = Math.pow(10, Math.floor(Math.log10((to - from) / 4)));
    unit = Math.max(1, unit * ((to - from) / 4 / unit > 5 ? 5 : (to - from) / 4 / unit > 2 ? 2 : 1));
    for (var step = Math.ceil(from / unit) * unit; step <= to; step += unit) {
      var text = item.svg.appendChild(document.createElementNS(SVG, "text"));
      text.setAttribute("x", item.left + (step - from) / (to - from) * (item.right - item.left));
      text.setAttribute("y", item.bottom + 16);
      text.setAttribute("text-anchor", "middle");
      text.textContent = String(step);
      item.own.push(text);
    }
  }

  function zoom(a, b) {
    from = Math.max(first, a);
    to = Math.min(last, b);
    charts.forEach(redraw);
  }

  function shortened(value) {
    if (typeof value !== "number") { return String(value); }
    if (value === 0 || (Math.abs(value) >= 1e-3 && Math.abs(value) < 1e5)) { return String(Number(value.toPrecision(4))); }
    return value.toExponential(2);
  }

  // a column of a band, as "lowest to highest", or the last single measurement
  function value(key, name, step) {
    if (!history) { return ""; }
    var sparse = { sigma: "terms", limit: "", work: "work" };
    if (key in sparse) {
      var found = history.curvature, index = -1;
      if (!found) { return ""; }
      found.steps.forEach(function (at, place) { if (at <= step) { index = place; } });
      var scaled = found.preconditioned.some(function (item) { return item !== null; });
      var series = key !== "limit" ? found[sparse[key]][name] || (key === "sigma" && found.total)
        : name.indexOf("limit") === 0 ? found.bound : scaled ? found.preconditioned : found.total;
      return series && index >= 0 && series[index] !== null ? shortened(series[index]) : "";
    }
    var band = history[key];
    if (band && !band.low) { band = band[name] || band[name.replace(" | ", "|")] || (key === "losses" && history.total); }
    if (!band || !band.low) { return ""; }
    var column = 0;
    while (column < history.columns.length - 1 && history.columns[column] < step) { column += 1; }
    while (column > 0 && (band.high[column] === null || band.high[column] === undefined)) { column -= 1; }
    var low = band.low[column], high = band.high[column];
    if (high === null || high === undefined) { return ""; }
    return low === high ? shortened(high) : shortened(low) + " to " + shortened(high);
  }

  function point(step) {
    charts.forEach(function (item) {
      var x = item.left + (step - from) / (to - from) * (item.right - item.left);
      var shown = step !== null && x >= item.left && x <= item.right;
      item.cursor.setAttribute("d", shown ? "M" + x + " " + item.top + "V" + item.bottom : "");
      if (!shown) { item.readout.textContent = ""; return; }
      var words = item.names.map(function (name) {
        var found = value(item.svg.dataset.timeline, name, step);
        return found && name + " " + found;
      }).filter(Boolean);
      item.readout.textContent = "step " + Math.round(step) + (words.length ? ": " + words.join("; ") : "");
    });
  }

  function stepAt(item, event) {
    var frame = item.svg.getBoundingClientRect();
    var x = (event.clientX - frame.left) * item.svg.viewBox.baseVal.width / frame.width;
    var share = Math.max(0, Math.min(1, (x - item.left) / (item.right - item.left)));
    return from + share * (to - from);
  }

  charts.forEach(function (item) {
    var start = null;
    function chosen(step) {
      var a = item.left + (Math.min(start, step) - from) / (to - from) * (item.right - item.left);
      var b = item.left + (Math.max(start, step) - from) / (to - from) * (item.right - item.left);
      item.choice.setAttribute("x", a);
      item.choice.setAttribute("width", b - a);
    }
    function done() {
      start = null;
      item.choice.setAttribute("width", 0);
    }
    item.svg.addEventListener("pointerdown", function (event) {
      if (event.button !== 0) { return; }
      start = stepAt(item, event);
      try { item.svg.setPointerCapture(event.pointerId); } catch (error) { /* the pointer is gone */ }
      event.preventDefault();
    });
    item.svg.addEventListener("pointermove", function (event) {
      var step = stepAt(item, event);
      point(step);
      if (start !== null) { chosen(step); }
    });
    item.svg.addEventListener("pointerup", function (event) {
      var end = stepAt(item, event), begun = start;
      done();
      if (begun !== null && Math.abs(end - begun) > (to - from) / 60) { zoom(Math.min(begun, end), Math.max(begun, end)); }
    });
    item.svg.addEventListener("pointercancel", done);
    item.svg.addEventListener("pointerleave", function () { if (start === null) { point(null); } });
    item.svg.addEventListener("dblclick", function () { zoom(first, last); });
  });

  function toggle(index) {
    off[index] = !off[index];
    document.querySelectorAll("[data-switch]").forEach(function (key) {
      key.classList.toggle("off", Boolean(off[key.dataset.switch]));
      key.setAttribute("aria-pressed", String(!off[key.dataset.switch]));
    });
    document.querySelectorAll("svg[data-timeline] [data-terms]").forEach(function (part) {
      var hidden = part.dataset.terms && part.dataset.terms.split(" ").some(function (term) { return off[term]; });
      part.style.display = hidden ? "none" : "";
    });
  }

  document.querySelectorAll("[data-switch]").forEach(function (key) {
    key.classList.add("ready");
    key.setAttribute("role", "button");
    key.setAttribute("tabindex", "0");
    key.setAttribute("aria-pressed", "true");
    key.addEventListener("click", function () { toggle(key.dataset.switch); });
    key.addEventListener("keydown", function (event) {
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle(key.dataset.switch); }
    });
  });

  window.addEventListener("beforeprint", function () { zoom(first, last); });
  document.getElementById("how").hidden = false;
})();
