"use strict";
const tools = document.getElementById("tools");
const [input, found] = [tools.querySelector("input"), tools.querySelector("output")];
const rows = [...document.querySelectorAll(".row")].map(row => [row, row.textContent.toLowerCase()]);
const folds = [...document.querySelectorAll(".process")].reverse();
const files = document.querySelector("#opened details");

function search() {
  const wanted = input.value.toLowerCase();
  let count = 0;
  for (const [row, text] of rows) {
    const fits = text.includes(wanted);
    row.hidden = !fits && row.tagName !== "SUMMARY";
    row.fits = fits;
    count += fits;
  }
  // From the innermost outwards: a process stays for what is found in it.
  for (const fold of folds) {
    const inside = [...fold.querySelector("ul").children].some(child => !child.hidden);
    fold.parentElement.hidden = !inside && !fold.querySelector("summary").fits;
    if (wanted && inside) fold.open = true;
  }
  if (wanted) files.open = true;
  found.textContent = wanted ? `${count} found` : "";
}

input.addEventListener("input", search);
tools.querySelector("#unfold").addEventListener("click", () => folds.forEach(fold => { fold.open = true; }));
tools.querySelector("#fold").addEventListener("click", () => folds.forEach(fold => { fold.open = false; }));
tools.hidden = false;
