// A page made from openapi.json.
const described = await (await fetch("openapi.json")).json();
const schemas = described.components.schemas;

function make(tag, attributes, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...inside);
  return made;
}

const resolved = schema => (schema.$ref ? schemas[schema.$ref.split("/").at(-1)] : schema);

/** Say the type of a value in words. */
function kind(schema) {
  if (schema.anyOf) return schema.anyOf.map(kind).join(" or ");
  if (schema.enum) return schema.enum.map(each => `"${each}"`).join(" or ");
  if (schema.type === "array") return `list of ${kind(schema.items)}`;
  if (schema.format === "binary") return "file";
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  return { string: "text", integer: "whole number" }[schema.type] ?? schema.type ?? "any";
}

/** Return the fields of an object and of the objects in it, as rows of a table. */
function fields(schema, before = "", known = []) {
  const whole = resolved(schema), rows = [];
  for (const [name, field] of Object.entries(whole.properties ?? {})) {
    const words = resolved(field.items ?? field).description ?? "";
    rows.push([`${before}${name}`, kind(field), field.description ?? words]);
    const inner = field.$ref ?? field.items?.$ref;
    if (inner && !known.includes(inner)) rows.push(...fields({ $ref: inner }, `${before}${name}${field.items ? "[]" : ""}.`, [...known, inner]));
  }
  return rows;
}

function table(schema) {
  const head = make("tr", {}, ...["field", "type", "meaning"].map(each => make("th", { scope: "col" }, each)));
  const rows = fields(schema).map(([name, type, meaning]) => make("tr", {}, make("td", {}, make("code", {}, name)), make("td", {}, type), make("td", {}, meaning.replaceAll("`", ""))));
  return make("table", { class: "cards" }, make("thead", {}, head), make("tbody", {}, ...rows));
}

document.getElementById("about").textContent = `${described.info.title} ${described.info.version}. ${described.info.description}`;
document.getElementById("example").textContent = `curl -F files=@NaCl.cif -F files=@POSCAR ${new URL("api/predict", location.href)}`;
for (const [path, operations] of Object.entries(described.paths)) {
  for (const [method, operation] of Object.entries(operations)) {
    const part = make("section", { class: "operation" }, make("h2", {}, `${method.toUpperCase()} ${path}`), make("p", {}, `${operation.summary}. ${operation.description ?? ""}`.replaceAll("`", "")));
    const sent = operation.requestBody?.content;
    if (sent) {
      const [type, body] = Object.entries(sent)[0];
      part.append(make("h3", {}, `Request: ${type}`), table(body.schema));
    }
    for (const [code, answer] of Object.entries(operation.responses)) {
      const body = answer.content["application/json"].schema;
      if (code === "200") part.append(make("h3", {}, "Answer"), table(body));
    }
    const refusals = Object.entries(operation.responses).filter(([code]) => code !== "200");
    if (refusals.length) {
      part.append(make("h3", {}, "Errors: {\"error\": …, \"rejected\": […]}"), make("ul", {}, ...refusals.map(([code, answer]) => make("li", {}, `${code}: ${answer.description}`))));
    }
    document.getElementById("operations").append(part);
  }
}
