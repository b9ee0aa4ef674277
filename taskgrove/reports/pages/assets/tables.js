"use strict";
// A click on a heading sorts by it; long tables get a field that filters their rows.
const SCALE = { k: 1e3, M: 1e6, G: 1e9, T: 1e12, P: 1e15, E: 1e18 };

function valueOf(cell) {
  const text = cell.textContent.trim();
  const found = text.replace("−", "-").match(/^([+-]?\d[\d.]*)(?:\s*([kMGTPE])(?![a-z]))?/);
  return found ? { number: parseFloat(found[1]) * (SCALE[found[2]] || 1), text } : { number: NaN, text };
}

function sortBy(table, column, heading) {
  const sign = heading.getAttribute("aria-sort") === "ascending" ? -1 : 1;
  const keyed = [...table.tBodies[0].rows].map((row) => ({ row, ...valueOf(row.cells[column]) }));
  // Totals stay at the end, and so does what is not known.
  const last = (each) => (each.row.cells[0].querySelector("strong") ? 2 : each.text === "–" ? 1 : 0);
  keyed.sort((a, b) => {
    if (last(a) !== last(b)) return last(a) - last(b);
    const texts = isNaN(a.number) || isNaN(b.number);
    return sign * (texts ? a.text.localeCompare(b.text) : a.number - b.number);
  });
  table.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
  heading.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
  table.tBodies[0].append(...keyed.map((each) => each.row));
}

function addFilter(table) {
  const field = Object.assign(document.createElement("input"), { className: "filter", placeholder: "filter rows" });
  field.setAttribute("aria-label", "filter rows");
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase();
    for (const row of table.tBodies[0].rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
  });
  table.parentElement.before(field);
}

for (const table of document.querySelectorAll("table")) {
  if (!table.tBodies.length) continue;
  table.querySelectorAll("th").forEach((heading, column) => {
    heading.addEventListener("click", () => sortBy(table, column, heading));
  });
  if (table.tBodies[0].rows.length > 15) addFilter(table);
}
