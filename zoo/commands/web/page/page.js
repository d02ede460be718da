// The page: files go to /api/predict, and what comes back is shown. Text from files is only ever set as text.
import { Drawing, color } from "./drawing.js";

const EXAMPLE = `data_NaCl
_cell_length_a 5.6402
_cell_length_b 5.6402
_cell_length_c 5.6402
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'F m -3 m'
_symmetry_Int_Tables_number 225
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Na1 Na 0 0 0 1
Cl1 Cl 0.5 0 0 1
`;

const find = id => document.getElementById(id);
const drawing = new Drawing(find("canvas"));
let service = null, crystals = [], tables = [], chosen = null;

/** Make an element: make("p", {class: "soft"}, "text", other element …). */
function make(tag, attributes = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else if (value !== null) made.setAttribute(name, value);
  }
  made.append(...inside.filter(each => each !== null && each !== undefined));
  return made;
}

const digits = value => {
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return value.toExponential(2).replace("-", "−");
  return (size >= 1000 ? value.toFixed(0) : value === 0 ? "0" : value.toPrecision(3)).replace("-", "−");
};
const formula = text => text.split(/([0-9.]+)/).filter(Boolean).map(part => (/^[0-9.]+$/.test(part) ? make("sub", {}, part) : part));
const percent = value => `${Math.round(100 * value)}\u00a0%`;
const shownUnit = unit => (unit ? `\u00a0${unit}` : "");
const describe = model => `${model.label}${model.unit ? ` (${model.unit})` : ""}`;
/** Return a text with what follows an underscore as a subscript: E_g. */
const subscripts = text => text.split(/_([A-Za-z]+)(?=$|[ (:])/).map((part, index) => (index % 2 ? make("sub", {}, part) : part)).filter(part => part !== "");

const atoms = crystal => `${crystal.atoms} ${crystal.atoms === 1 ? "atom" : "atoms"}`;

function value(model, found) {
  if (found.error || found.prediction === null) return "no prediction";
  if (!model.classes.length) return `${digits(found.prediction)}${shownUnit(model.unit)}`;
  const share = found.probabilities[found.prediction];
  return share === undefined ? found.prediction : `${found.prediction}, ${percent(share)}`;
}

function range(model, found) {
  if (found.lower === null || found.upper === null) return "";
  return `${percent(model.level)} interval: ${digits(found.lower)} to ${digits(found.upper)}${shownUnit(model.unit)}`;
}

function say(text) { find("status").textContent = text; }

function complain(file, reason) {
  const closing = make("button", { type: "button", class: "id", onclick: event => event.target.closest(".problem").remove() }, "Dismiss");
  find("problems").append(make("p", { class: "problem" }, make("b", {}, file ? `${file}: ` : ""), `${reason} `, closing));
}

async function ask(address, options = {}) {
  let answer;
  try {
    answer = await fetch(address, options);
  } catch {
    throw new Error("the server does not answer; is zoo serve still running?");
  }
  const found = await answer.json().catch(() => ({ error: `the server answered with status ${answer.status}`, rejected: [] }));
  if (!answer.ok) throw Object.assign(new Error(found.error ?? `status ${answer.status}`), { rejected: found.rejected ?? [] });
  return found;
}

/** Return the files that can be read, and complain of the others. */
async function readable(files) {
  const found = [];
  for (const file of files) {
    try {
      await file.slice(0, 1).arrayBuffer();
      found.push(file);
    } catch {
      complain(file.name, "cannot be read; if it is a folder, choose the files in it");
    }
  }
  return found;
}

async function send(given) {
  if (!given.length || !service) return;
  find("problems").replaceChildren();
  say("");
  const files = await readable(given);
  if (!files.length) return;
  const { limits } = service, size = files.reduce((sum, file) => sum + file.size, 0);
  if (files.length > limits.files) return complain("", `${files.length} files; at most ${limits.files} at once, or use zoo predict`);
  if (size > limits.bytes) {
    return complain(files.length === 1 ? files[0].name : "", `${(size / 1e6).toFixed(0)} MB; at most ${limits.bytes / 1e6} MB at once, or use zoo predict`);
  }
  const form = new FormData();
  for (const file of files) form.append("files", file, file.name);
  say(files.length === 1 ? `Reading ${files[0].name} …` : `Reading ${files.length} files …`);
  try {
    const found = await ask("api/predict", { method: "POST", body: form });
    for (const each of found.rejected) complain(each.file, each.reason);
    const first = crystals.length;
    crystals.push(...found.crystals);
    tables.push(found.csv);
    fill();
    choose(first);
    say(`${found.crystals.length} ${found.crystals.length === 1 ? "crystal" : "crystals"} predicted.`);
  } catch (error) {
    say("");
    if (error.rejected?.length) for (const each of error.rejected) complain(each.file, each.reason);
    else complain("", error.message);
  }
}

function fill() {
  const { models } = service, several = models.length > 1;
  const titles = ["Crystal", ...models.map(model => (several ? `${model.name}: ${describe(model)}` : describe(model)))];
  find("table").className = "cards";
  find("table").tHead.replaceChildren(make("tr", {}, ...titles.map(title => make("th", { scope: "col" }, ...subscripts(title)))));
  const rows = crystals.map((crystal, index) => {
    const name = make("button", { type: "button", class: "id", onclick: () => choose(index, true) }, crystal.id);
    const cells = models.map((model, column) => {
      const found = crystal.predictions[column];
      return make("td", { "data-name": titles[column + 1].replaceAll("_", "") },
        make("span", { class: "value" }, value(model, found)),
        range(model, found) ? make("div", { class: "soft small" }, range(model, found)) : null,
        found.error || found.note ? make("div", { class: "note small" }, `⚠ ${found.error || found.note}`) : null);
    });
    return make("tr", {}, make("td", {}, name, make("div", { class: "soft small" }, ...formula(crystal.formula), `, ${atoms(crystal)}`)), ...cells);
  });
  find("table").tBodies[0].replaceChildren(...rows);
  find("result").hidden = !crystals.length;
}

function choose(index, follow = false) {
  chosen = index;
  const crystal = crystals[index];
  [...find("table").tBodies[0].rows].forEach((row, place) => {
    row.classList.toggle("chosen", place === index);
    row.querySelector("button").setAttribute("aria-pressed", String(place === index));
  });
  find("detail-title").replaceChildren(...formula(crystal.formula));
  find("facts").textContent = `${crystal.file}: ${atoms(crystal)} in the cell`;
  find("canvas").setAttribute("aria-label", `Structure of ${crystal.formula}`);
  drawing.show(crystal.structure);
  const elements = [...new Set(crystal.structure.symbols)];
  find("legend").replaceChildren(...elements.map(symbol => {
    const dot = make("span");
    dot.style.background = color(symbol);
    return make("li", {}, dot, symbol);
  }));
  find("predictions").replaceChildren(...service.models.map((model, column) => prediction(model, crystal.predictions[column])));
  find("known").replaceChildren(known(crystal));
  contribute(crystal);
  if (follow && matchMedia("(max-width: 56rem)").matches) find("detail").scrollIntoView();
}

function prediction(model, found) {
  const list = make("dl");
  const add = (name, ...text) => list.append(make("dt", {}, ...subscripts(name)), make("dd", {}, ...text));
  if (service.models.length > 1) add("model", model.name);
  add(describe(model), make("span", { class: "value" }, value(model, found)));
  if (range(model, found)) add("interval", range(model, found).replace(" interval:", ":"));
  else if (!found.error && !model.classes.length) add("interval", "none: this model is not calibrated");
  for (const label of model.classes) if (label in found.probabilities) add(label, percent(found.probabilities[label]));
  if (found.error) add("problem", make("span", { class: "note" }, found.error));
  else add("training set", found.note ? make("span", { class: "note" }, `⚠ ${found.note}`) : model.measures_distance ? "not far from it" : "distance unknown: this model keeps no vectors of it");
  return list;
}

function known(crystal) {
  if (!service.known) return make("p", { class: "soft" }, "There is no list of the crystals that these models learned from.");
  if (!crystal.known.length) return make("p", {}, `No crystal of the composition ${crystal.formula} is in the training sets.`);
  const rows = crystal.known.map(each => {
    const change = Math.round(1000 * (each.volume - 1)) / 10;
    const volume = each.relation === "the same crystal" && Math.abs(change) < 0.5 ? "" : `, ${Math.abs(change)}\u00a0% ${change < 0 ? "smaller" : "larger"} volume`;
    return make("li", {}, `${each.id}: ${each.relation}${volume}`);
  });
  return make("ul", {}, ...rows);
}

async function contribute(crystal) {
  const place = find("contributions");
  place.replaceChildren(make("p", { class: "soft" }, "…"));
  let found;
  try {
    const answer = await ask("api/contributions", {
      method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(crystal.structure),
    });
    found = answer.contributions;
  } catch (error) {
    place.replaceChildren(make("p", { class: "soft" }, error.message));
    return;
  }
  if (crystals[chosen] !== crystal) return; // another one was chosen meanwhile
  const parts = found.map((each, column) => contribution(service.models[column], each, crystal));
  const explained = make("p", { class: "soft small" },
    "What the network reads from each atom in its surroundings alone. Their average is near the prediction, but not equal to it. ",
    service.models.some(model => model.reads_crystal) ? "What a model reads from the whole crystal counts the same for every atom." : "");
  const options = found.map((each, column) => (each.values.length ? make("option", { value: column }, `${service.models[column].name}: blue lowest, red highest`) : null));
  if (!options.some(Boolean)) {
    place.replaceChildren(...parts);
    return;
  }
  const select = make("select", { id: "coloring" }, make("option", { value: "" }, "element"), ...options);
  select.addEventListener("change", () => drawing.recolor(select.value === "" ? null : colorsOf(found[select.value].values)));
  place.replaceChildren(explained, ...parts, make("p", {}, make("label", { for: "coloring" }, "Colour the atoms by "), select));
}

const LOW = [33, 102, 172], HIGH = [178, 24, 43], MIDDLE = [240, 240, 240];

/** Return a colour from blue (lowest) by grey to red (highest) for each value. */
function colorsOf(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return values.map(each => {
    const share = high - low > 1e-9 * Math.abs(high) ? (2 * (each - low)) / (high - low) - 1 : 0;
    const to = share < 0 ? LOW : HIGH;
    return `#${MIDDLE.map((part, axis) => Math.round(part + (to[axis] - part) * Math.abs(share)).toString(16).padStart(2, "0")).join("")}`;
  });
}

function contribution(model, found, crystal) {
  if (!found.values.length) {
    return make("p", { class: "soft" }, `${service.models.length > 1 ? `${model.name}: ` : ""}${found.error || "not for this crystal"}`);
  }
  const groups = new Map();
  found.values.forEach((each, atom) => {
    const key = `${crystal.structure.symbols[atom]} ${digits(each)}`;
    const group = groups.get(key) ?? { symbol: crystal.structure.symbols[atom], value: each, count: 0 };
    group.count += 1;
    groups.set(key, group);
  });
  const all = [...groups.values()].sort((a, b) => b.value - a.value), shown = all.slice(0, 12);
  const unit = model.classes.length ? `probability of ${crystal.predictions[service.models.indexOf(model)].prediction}` : model.unit;
  const most = Math.max(...found.values.map(Math.abs)) || 1;
  const rows = shown.map(group => {
    const bar = make("span", { class: group.value < 0 ? "bar low" : "bar" });
    bar.style.width = `${(5 * Math.abs(group.value)) / most}rem`;
    return make("tr", {}, make("td", {}, `${group.count} ${group.symbol}`), make("td", {}, bar, digits(group.value)));
  });
  const average = found.values.reduce((sum, each) => sum + each, 0) / found.values.length;
  const name = service.models.length > 1 ? `${model.name}${unit ? `: ${unit}` : ""}` : unit || "value";
  return make("table", {},
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "atoms"), make("th", { scope: "col" }, name))),
    make("tbody", {}, ...rows, all.length > shown.length ? make("tr", {}, make("td", { colspan: 2, class: "soft" }, `and ${all.length - shown.length} more kinds`)) : null,
      make("tr", {}, make("td", {}, "average"), make("td", {}, `${digits(average)}; prediction: ${value(model, crystal.predictions[service.models.indexOf(model)])}`))));
}

function download() {
  const text = tables.map((table, index) => (index ? table.slice(table.indexOf("\n") + 1) : table)).join("");
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: "predictions.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function clear() {
  crystals = [];
  tables = [];
  find("problems").replaceChildren();
  say("");
  fill();
  find("files").focus();
}

find("files").addEventListener("change", event => {
  const files = [...event.target.files];
  event.target.value = "";
  send(files);
});
find("example").addEventListener("click", () => send([new File([EXAMPLE], "NaCl.cif")]));
find("download").addEventListener("click", download);
find("clear").addEventListener("click", clear);
for (const kind of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(kind, event => {
    event.preventDefault();
    document.body.classList.toggle("over", kind === "dragover");
    if (kind === "drop") send([...(event.dataTransfer?.files ?? [])]);
  });
}

try {
  service = await ask("api/models");
  const names = service.models.map(model => `${model.name}: ${describe(model)}`);
  if (service.models.length === 1) find("title").replaceChildren(...subscripts(`${service.models[0].label} of your crystals`));
  document.title = find("title").textContent;
  find("models").replaceChildren(...subscripts(`Predicted by ${names.join(" · ")}`));
  find("version").textContent = `zoo ${service.version}`;
  find("limits").textContent = `One crystal in each file, at most ${service.limits.files} files at once. Nothing that you send is kept.`;
} catch (error) {
  find("models").textContent = "";
  complain("", error.message);
}
