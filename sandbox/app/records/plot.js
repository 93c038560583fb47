/** A small line chart: values over time, with the reference range as a band behind them. */

import { s } from "../dom.js";

const [WIDTH, HEIGHT] = [300, 112];
const [LEFT, RIGHT, TOP, BOTTOM] = [36, 8, 8, 18];
const MOST_POINTS = 300;
const YEAR = 365.25 * 86_400_000;

/** The drawing of a series. `choose` hears the entry at the pointer, and null when the pointer has gone. */
export function plot({ lines, entries }, label, choose) {
  const shown = lines.map((line) => ({ ...line, drawn: thinned(line.points) }));
  const points = shown.flatMap((line) => line.drawn);
  const times = extent(points.map((one) => one.at));
  const values = domain(points);
  const x = scale(times, [LEFT, WIDTH - RIGHT]);
  const y = scale(values, [HEIGHT - BOTTOM, TOP]);
  const marker = s("line", { class: "marker", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
  const svg = s(
    "svg",
    { class: "plot", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
    band(lines, values, y),
    ticks(values).map((value) => [
      s("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(value), y2: y(value) }),
      s(
        "text",
        { x: LEFT - 5, y: y(value) + 3.5, "text-anchor": "end" },
        value.toLocaleString("en-US", { maximumFractionDigits: 3 }),
      ),
    ]),
    years(times).map((at, number, all) =>
      s(
        "text",
        {
          x: x(at),
          y: HEIGHT - 4,
          "text-anchor":
            all.length > 1 && number === all.length - 1 && x(at) > WIDTH - 20
              ? "end"
              : number === 0 && x(at) < LEFT + 10
                ? "start"
                : "middle",
        },
        new Date(at).getUTCFullYear(),
      ),
    ),
    marker,
    shown.map((line, number) => [
      s("path", {
        class: `line line${number}`,
        d: line.drawn.map((one, i) => `${i ? "L" : "M"}${x(one.at).toFixed(1)} ${y(one.value).toFixed(1)}`).join(""),
      }),
      line.drawn.length <= 80 &&
        line.drawn.map((one) => dot(one, x, y, one.flag ? "dot flag" : `dot dot${number}`, one.flag ? 2.1 : 1.7)),
      dot(line.drawn.at(-1), x, y, line.drawn.at(-1).flag ? "dot last flag" : `dot last dot${number}`, 3.6),
    ]),
  );
  const dated = entries.filter((one) => one.at !== null);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const at =
      times[0] +
      ((((event.clientX - box.left) / box.width) * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT)) * (times[1] - times[0]);
    const chosen = nearest(dated, at);
    marker.setAttribute("x1", x(chosen.at));
    marker.setAttribute("x2", x(chosen.at));
    marker.setAttribute("visibility", "visible");
    choose(chosen);
  });
  svg.addEventListener("pointerleave", () => (marker.setAttribute("visibility", "hidden"), choose(null)));
  return svg;
}

function dot(one, x, y, className, r) {
  return s("circle", { class: className, cx: x(one.at).toFixed(1), cy: y(one.value).toFixed(1), r });
}

function band(lines, values, y) {
  const latest = lines[0].points.at(-1);
  if (lines.length > 1 || (latest.low === null && latest.high === null)) return null;
  const [bottom, top] = [Math.max(latest.low ?? values[0], values[0]), Math.min(latest.high ?? values[1], values[1])];
  return (
    top > bottom &&
    s("rect", { class: "band", x: LEFT, width: WIDTH - LEFT - RIGHT, y: y(top), height: y(bottom) - y(top) })
  );
}

/** The values with room around them, and with the reference range where that leaves them readable. */
function domain(points) {
  let [low, high] = extent(points.map((one) => one.value));
  const room = (high - low || Math.abs(high) * 0.2 || 1) * 4;
  const latest = points.at(-1);
  if (latest.low !== null && low - latest.low < room) low = Math.min(low, latest.low);
  if (latest.high !== null && latest.high - high < room) high = Math.max(high, latest.high);
  const margin = (high - low || Math.abs(high) * 0.1 || 1) * 0.08;
  return [low - margin, high + margin];
}

function extent(numbers) {
  return numbers.reduce(([low, high], one) => [Math.min(low, one), Math.max(high, one)], [Infinity, -Infinity]);
}

function scale([from, to], [start, end]) {
  return (value) => (to === from ? (start + end) / 2 : start + ((value - from) / (to - from)) * (end - start));
}

/** Two to five round numbers within the domain. */
function ticks([low, high]) {
  const rough = (high - low) / 2;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [5, 2.5, 2, 1].map((one) => one * power).find((one) => one <= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, number) => (first + number) * step);
}

/** The beginnings of up to five years, or where the axis begins if none lies within. */
function years([from, to]) {
  const [first, last] = [new Date(from).getUTCFullYear() + 1, new Date(to).getUTCFullYear()];
  if (last < first) return [from];
  const step = [1, 2, 5, 10, 20].find((one) => (last - first) / one < 5) ?? 25;
  const found = Array.from({ length: last - first + 1 }, (_, number) => first + number).filter(
    (year) => (last - year) % step === 0,
  );
  return found.map((year) => Date.UTC(year, 0, 1)).filter((at) => to - from < YEAR || at <= to);
}

/** At most so many points: of each stretch of time the lowest and the highest, so that no peak is lost. */
function thinned(points) {
  if (points.length <= MOST_POINTS) return points;
  const size = Math.ceil(points.length / (MOST_POINTS / 2));
  const kept = new Set([points[0], points.at(-1)]);
  for (let from = 0; from < points.length; from += size) {
    const stretch = points.slice(from, from + size).sort((a, b) => a.value - b.value);
    kept.add(stretch[0]).add(stretch.at(-1));
  }
  return points.filter((one) => kept.has(one));
}

function nearest(points, at) {
  return points.reduce((best, one) => (!best || Math.abs(one.at - at) < Math.abs(best.at - at) ? one : best), null);
}
