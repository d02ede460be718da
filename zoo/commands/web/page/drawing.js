// A crystal on a canvas: atoms as shaded balls, bonds, and the edges of the cell, seen from far away.
import { ELEMENTS } from "./elements.js";

const EDGE = 0.02; // atoms this close to a face of the cell, in fractions of it, are also drawn at the opposite one
const BONDED = 1.15; // a bond is at most this times the sum of the covalent radii
const MOST_WITH_BONDS = 1200;
const NONMETALS = new Set("H He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Sb Te I Xe At Rn".split(" "));

const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];

export function color(symbol) { return (ELEMENTS[symbol] ?? ["#ff1493", 1])[0]; }

function radius(symbol) { return (ELEMENTS[symbol] ?? ["#ff1493", 1])[1]; }

function place(lattice, position) {
  return [0, 1, 2].map(axis => position[0] * lattice[0][axis] + position[1] * lattice[1][axis] + position[2] * lattice[2][axis]);
}

/** Return the atoms in the closed cell: those on its faces, edges and corners are repeated there. */
export function atomsOf(structure) {
  const atoms = [];
  structure.positions.forEach((position, index) => {
    const inside = position.map(each => { const part = each - Math.floor(each); return part > 1 - EDGE / 2 ? part - 1 : part; });
    const steps = inside.map(each => (Math.abs(each) < EDGE ? [0, 1] : [0]));
    for (const x of steps[0]) for (const y of steps[1]) for (const z of steps[2]) {
      const at = place(structure.lattice, [inside[0] + x, inside[1] + y, inside[2] + z]);
      atoms.push({ index, symbol: structure.symbols[index], at, radius: radius(structure.symbols[index]) });
    }
  });
  return atoms;
}

export function bondsOf(atoms) {
  const bonds = [];
  if (atoms.length > MOST_WITH_BONDS) return bonds;
  const alloy = atoms.every(each => !NONMETALS.has(each.symbol)); // elsewhere metals are bonded to nonmetals
  for (let i = 0; i < atoms.length; i++) for (let j = 0; j < i; j++) {
    const a = atoms[i], b = atoms[j];
    if (!alloy && !NONMETALS.has(a.symbol) && !NONMETALS.has(b.symbol)) continue;
    const apart = Math.hypot(a.at[0] - b.at[0], a.at[1] - b.at[1], a.at[2] - b.at[2]);
    if (apart > 0.4 && apart < BONDED * (a.radius + b.radius)) bonds.push([a, b]);
  }
  return bonds;
}

function edgesOf(lattice) {
  const edges = [];
  for (let axis = 0; axis < 3; axis++) for (const u of [0, 1]) for (const v of [0, 1]) {
    const from = [u, v];
    from.splice(axis, 0, 0);
    const to = [...from];
    to[axis] = 1;
    edges.push([place(lattice, from), place(lattice, to)]);
  }
  return edges;
}

function shade(hex, share) {
  const parts = [1, 3, 5].map(start => parseInt(hex.slice(start, start + 2), 16));
  const mixed = parts.map(each => Math.round(share < 0 ? each * (1 + share) : each + (255 - each) * share));
  return `rgb(${mixed.join(",")})`;
}

export class Drawing {
  constructor(canvas) {
    this.canvas = canvas;
    this.zoom = 1;
    this.turn = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
    this.colors = null;
    let last = null;
    canvas.addEventListener("pointerdown", event => { last = [event.clientX, event.clientY]; canvas.setPointerCapture(event.pointerId); });
    canvas.addEventListener("pointerup", () => { last = null; });
    canvas.addEventListener("pointercancel", () => { last = null; });
    canvas.addEventListener("pointermove", event => {
      if (!last) return;
      this.rotate((event.clientX - last[0]) / 120, (event.clientY - last[1]) / 120);
      last = [event.clientX, event.clientY];
    });
    canvas.addEventListener("wheel", event => {
      if (!event.ctrlKey && document.activeElement !== canvas) return; // the page scrolls
      event.preventDefault();
      this.scale(event.deltaY < 0 ? 1.1 : 1 / 1.1);
    }, { passive: false });
    canvas.addEventListener("keydown", event => {
      const turns = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] };
      if (turns[event.key]) this.rotate(...turns[event.key]);
      else if (event.key === "+" || event.key === "=") this.scale(1.15);
      else if (event.key === "-" || event.key === "−") this.scale(1 / 1.15);
      else return;
      event.preventDefault();
    });
    new ResizeObserver(() => this.draw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  show(structure, colors = null) {
    const [a, b, c] = structure.lattice;
    this.colors = colors;
    this.middle = place(structure.lattice, [0.5, 0.5, 0.5]);
    this.atoms = atomsOf(structure);
    this.bonds = bondsOf(this.atoms);
    this.edges = edgesOf(structure.lattice);
    const ends = [...this.edges.flat(), ...this.atoms.map(each => each.at)];
    this.extent = Math.max(...ends.map(end => Math.hypot(...end.map((each, axis) => each - this.middle[axis])))) + 0.8;
    // The third cell vector points up, and the crystal is seen from a little above and beside.
    const up = c.map(each => each / Math.hypot(...c));
    const beside = cross(up, cross(a, up)).map(each => -each);
    const length = Math.hypot(...beside) || 1;
    const right = beside.map(each => -each / length);
    const front = cross(right, up);
    this.turn = [right, up, front];
    this.zoom = 1;
    this.rotate(-0.45, 0.28);
  }

  recolor(colors) { this.colors = colors; this.draw(); }

  rotate(x, y) {
    const [cx, sx, cy, sy] = [Math.cos(x), Math.sin(x), Math.cos(y), Math.sin(y)];
    const [right, up, front] = this.turn;
    const r = right.map((each, axis) => cx * each + sx * front[axis]);
    const f = front.map((each, axis) => cx * each - sx * right[axis]);
    this.turn = [r, up.map((each, axis) => cy * each - sy * f[axis]), f.map((each, axis) => cy * each + sy * up[axis])];
    this.draw();
  }

  scale(factor) { this.zoom = Math.min(8, Math.max(0.4, this.zoom * factor)); this.draw(); }

  draw() {
    if (!this.atoms) return;
    const dense = window.devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width || !height) return;
    this.canvas.width = width * dense;
    this.canvas.height = height * dense;
    const pen = this.canvas.getContext("2d");
    pen.scale(dense, dense);
    const size = (Math.min(width, height) / 2 / this.extent) * this.zoom;
    const seen = at => {
      const from = at.map((each, axis) => each - this.middle[axis]);
      const [x, y, z] = this.turn.map(axis => axis[0] * from[0] + axis[1] * from[1] + axis[2] * from[2]);
      return [width / 2 + size * x, height / 2 - size * y, z];
    };
    const ink = getComputedStyle(this.canvas).color, items = [];
    const line = (from, to, style, thick) => {
      pen.strokeStyle = style;
      pen.lineWidth = thick;
      pen.beginPath();
      pen.moveTo(from[0], from[1]);
      pen.lineTo(to[0], to[1]);
      pen.stroke();
    };
    const fill = atom => (this.colors ? this.colors[atom.index] : color(atom.symbol));
    for (const [from, to] of this.edges) {
      // In pieces, so that atoms hide what is behind them.
      const [a, b] = [seen(from), seen(to)];
      for (let piece = 0; piece < 8; piece++) {
        const at = share => a.map((each, axis) => each + (b[axis] - each) * share);
        const [start, end] = [at(piece / 8), at((piece + 1) / 8)];
        items.push([(start[2] + end[2]) / 2, () => line(start, end, ink, 1)]);
      }
    }
    for (const [first, second] of this.bonds) {
      const [a, b] = [seen(first.at), seen(second.at)], middle = a.map((each, axis) => (each + b[axis]) / 2);
      for (const [end, atom] of [[a, first], [b, second]]) {
        items.push([(end[2] + middle[2]) / 2 - 0.05, () => {
          line(end, middle, shade(fill(atom), -0.55), Math.max(2.5, 0.26 * size));
          line(end, middle, shade(fill(atom), -0.1), Math.max(1, 0.26 * size - 1.5));
        }]);
      }
    }
    for (const atom of this.atoms) {
      const [x, y, z] = seen(atom.at), ball = Math.max(2, (0.22 + 0.22 * atom.radius) * size);
      items.push([z, () => {
        const glow = pen.createRadialGradient(x - ball / 3, y - ball / 3, ball / 10, x, y, ball);
        glow.addColorStop(0, shade(fill(atom), 0.55));
        glow.addColorStop(0.5, shade(fill(atom), 0));
        glow.addColorStop(1, shade(fill(atom), -0.4));
        pen.fillStyle = glow;
        pen.beginPath();
        pen.arc(x, y, ball, 0, 2 * Math.PI);
        pen.fill();
        pen.strokeStyle = shade(fill(atom), -0.65);
        pen.lineWidth = 0.8;
        pen.stroke();
      }]);
    }
    items.sort((a, b) => a[0] - b[0]);
    for (const [, paint] of items) paint();
  }
}
