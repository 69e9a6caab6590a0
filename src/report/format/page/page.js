// Sorting of tables, values under the pointer, engines on and off, folded parts in print.
// The page is complete without it: it only rearranges what stands there, and every value comes from a table.
"use strict";

const all = (selector, inside = document) => [...inside.querySelectorAll(selector)];

const make = (name, words, properties = {}) => {
  const element = Object.assign(document.createElement(name), properties);
  element.textContent = words;
  return element;
};

// A cell's words, without its sign and its detail.
const words = (cell) =>
  [...cell.childNodes]
    .filter((node) => !["SMALL", "I"].includes(node.nodeName))
    .map((node) => node.textContent)
    .join("")
    .trim();

// The number that a cell begins with, or NaN: "1,234", "−5.00", "2^28.5", "16 KiB".
const UNITS = { KiB: 2 ** 10, MiB: 2 ** 20, GiB: 2 ** 30 };
const number = (cell) => {
  const plain = words(cell).replaceAll(",", "").replace("−", "-");
  const found = plain.match(/^(?:2\^)?(-?\d+(?:\.\d+)?)(?: ([KMG]iB))?/);
  return found ? Number(found[1]) * (UNITS[found[2]] ?? 1) : NaN;
};

// Ascending, descending, then the order of the report. A cell without a number stays below the others.
const sortable = (table) => {
  const body = table.tBodies[0];
  if (!body || body.rows.length < 2) return;
  const original = [...body.rows];
  const heads = all("thead th", table);
  heads.forEach((head, column) => {
    const button = make("button", "", { type: "button", title: "Sort by this column" });
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const order = { ascending: "descending", descending: "none" }[head.ariaSort] ?? "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      if (order !== "none") head.setAttribute("aria-sort", order);
      const sign = order === "descending" ? -1 : 1;
      const compare = (a, b) => {
        const [one, other] = [a.cells[column], b.cells[column]];
        if (!head.classList.contains("number")) {
          return sign * words(one).localeCompare(words(other), "en", { numeric: true });
        }
        const [x, y] = [number(one), number(other)];
        return Number.isNaN(x) || Number.isNaN(y) ? Number.isNaN(x) - Number.isNaN(y) : sign * (x - y);
      };
      body.append(...(order === "none" ? original : original.toSorted(compare)));
    });
  });
};

// One choice of engines for all figures of the page.
const off = new Set();
const show = () => {
  all("[data-series]").forEach((line) => line.classList.toggle("off", off.has(line.dataset.series)));
  all(".switches button").forEach((button) => {
    button.setAttribute("aria-pressed", String(!off.has(button.textContent)));
  });
};

const switchable = (figure) => {
  const lines = all("[data-series]", figure);
  if (lines.length < 2) return;
  const box = make("div", "", { className: "switches" });
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "Engines shown in the figures");
  for (const line of lines) {
    const name = line.dataset.series;
    const button = make("button", name, { type: "button" });
    button.style.setProperty("--line", line.querySelector("[stroke]")?.getAttribute("stroke") ?? "none");
    button.addEventListener("click", () => {
      if (!off.delete(name)) off.add(name);
      show();
    });
    box.append(button);
  }
  figure.append(box);
};

// The values at the size nearest to the pointer, the highest first, out of the table below the figure.
const readable = (figure) => {
  const svg = figure.querySelector("svg[data-x]");
  const table = figure.parentElement.querySelector("table");
  if (!svg || !table) return;
  const [places, height] = [svg.dataset.x.split(" ").map(Number), svg.viewBox.baseVal.height];
  const tip = make("div", "", { className: "tip", hidden: true });
  tip.setAttribute("aria-hidden", "true");
  figure.append(tip);
  const rule = document.createElementNS(svg.namespaceURI, "path");
  rule.setAttribute("class", "rule off");
  svg.append(rule);
  const hide = () => {
    tip.hidden = true;
    rule.classList.add("off");
  };
  const move = (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const distances = places.map((place) => Math.abs(place - x));
    const column = distances.indexOf(Math.min(...distances));
    const rows = [...table.tBodies[0].rows].filter((row) => !off.has(words(row.cells[0])));
    const value = (row) => number(row.cells[column + 1]);
    rows.sort((a, b) => (value(b) || 0) - (value(a) || 0));
    const values = make("table", "");
    for (const row of rows) {
      const cell = row.cells[column + 1];
      const line = values.insertRow();
      const interval = cell.querySelector("small")?.textContent ?? "";
      line.append(make("th", words(row.cells[0])), make("td", words(cell)), make("td", interval));
    }
    tip.replaceChildren(make("b", words(table.tHead.rows[0].cells[column + 1])), values);
    tip.hidden = false;
    rule.setAttribute("d", `M${places[column]} 30V${height - 52}`);
    rule.classList.remove("off");
    const [outer, scale] = [figure.getBoundingClientRect(), box.width / svg.viewBox.baseVal.width];
    const left = box.left - outer.left + places[column] * scale;
    const beside = left + 14 + tip.offsetWidth > outer.width ? left - 14 - tip.offsetWidth : left + 14;
    tip.style.left = `${Math.max(0, beside)}px`;
  };
  svg.addEventListener("pointermove", move);
  svg.addEventListener("pointerdown", move);
  svg.addEventListener("pointerleave", hide);
};

all("table").forEach(sortable);
all("figure").forEach((figure) => {
  readable(figure);
  switchable(figure);
});

let opened = [];
addEventListener("beforeprint", () => {
  opened = all("details:not([open])");
  opened.forEach((part) => (part.open = true));
});
addEventListener("afterprint", () => opened.forEach((part) => (part.open = false)));
