// Price over time (uPlot) and prices by place (Leaflet, on outlines of the countries: no tiles, no internet).
// Tables on the page have the same content. The page gives the words in data- attributes.

const SEA = "#0b5f66";
const spokenHere = document.documentElement.lang;
const price = (value) => Number(value).toLocaleString(spokenHere, { maximumSignificantDigits: 4 });

function drawChart(element, pictures) {
  const said = element.dataset;
  // Contracts if there are any, else awards, else bids: prices paid come before prices asked.
  const name = ["contract", "award", "bid"].find((kind) => pictures.rolling.some((month) => month.series === kind));
  const rolling = new Map(pictures.rolling.filter((month) => month.series === name).map((month) => [month.month, month]));
  const kept = new Map(pictures.months.map((month) => [month.month, month]));
  const months = [...new Set([...rolling.keys(), ...kept.keys()])].sort();
  if (months.length < 2) {
    element.textContent = said.oneMonth;
    element.className = "muted";
    return;
  }
  const column = (from, read) => months.map((month) => (from.has(month) ? Number(read(from.get(month))) : null));
  const low = column(rolling, (month) => month.low);
  const high = column(rolling, (month) => month.high);
  const known = [...low, ...high, ...column(kept, (month) => month.median)].filter((value) => value !== null);
  const wide = Math.max(...known) > 20 * Math.min(...known);
  const shown = { spanGaps: true, value: (_, value) => (value === null ? "–" : price(value)) };
  const month = new Intl.DateTimeFormat(spokenHere, { month: "short", year: "numeric", timeZone: "UTC" });
  const size = () => ({ width: element.clientWidth, height: Math.max(220, Math.min(340, element.clientWidth * 0.6)) });
  const seconds = months.map((month) => Date.parse(`${month}-01T00:00Z`) / 1e3);
  // As many names of months as fit the width.
  const ticks = (width) => seconds.filter((_, number) => number % Math.ceil(months.length / Math.max(2, Math.floor(width / 110))) === 0);
  const chart = new uPlot(
    {
      ...size(),
      padding: [null, 36, null, null],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1e3), "UTC"),
      scales: wide ? { y: { distr: 3 } } : {},
      axes: [{ splits: (plot) => ticks(plot.width), values: (_, seconds) => seconds.map((second) => month.format(second * 1e3)) }, { size: 70, values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : price(tick))) }],
      bands: [{ series: [2, 1], fill: "#0b5f6622" }],
      series: [
        { label: said.month, value: (_, seconds) => (seconds === null ? "–" : month.format(seconds * 1e3)) },
        { ...shown, label: said.lowest, stroke: "#0b5f6666", width: 1 },
        { ...shown, label: said.highest, stroke: "#0b5f6666", width: 1 },
        { ...shown, label: said.mean, stroke: "#7a4d00", width: 1.5, dash: [6, 4] },
        { ...shown, label: said.median, stroke: SEA, width: 2.5, points: { show: true, size: 7 } },
      ],
    },
    [
      seconds,
      low,
      high,
      months.map((month) => (rolling.has(month) ? Number(rolling.get(month).total) / rolling.get(month).count : null)),
      column(kept, (month) => month.median),
    ],
    element,
  );
  const caption = document.createElement("p");
  caption.className = "hint";
  caption.textContent = wide ? said.captionLog : said.caption;
  element.after(caption);
  new ResizeObserver(() => chart.setSize(size())).observe(element);
}

// Colours by rank from cheap to expensive, so that one extreme price does not make all others look the same.
const STEPS = ["#1b7f79", "#5aa87f", "#e0c060", "#d9853b", "#b3262f"];

function colours(points) {
  const sorted = points.map((point) => Number(point.median)).sort((one, other) => one - other);
  if (sorted[0] === sorted[sorted.length - 1]) return () => SEA;
  const bounds = STEPS.slice(1).map((_, step) => sorted[Math.floor(((step + 1) * sorted.length) / STEPS.length)]);
  return (value) => STEPS[bounds.filter((bound) => Number(value) >= bound).length];
}

function line(...parts) {
  const element = document.createElement("div");
  element.append(...parts);
  return element;
}

async function drawMap(element, pictures) {
  const said = element.dataset;
  const map = L.map(element, { minZoom: 1, maxZoom: 9, worldCopyJump: true, zoomSnap: 0.25, zoomControl: false });
  L.control.zoom({ zoomInTitle: said.zoomIn, zoomOutTitle: said.zoomOut }).addTo(map);
  map.attributionControl.setPrefix(false).addAttribution(said.credit);
  const spots = pictures.points.map((point) => [point.latitude, point.longitude]);
  map.fitBounds(L.latLngBounds(spots).pad(0.25), { maxZoom: 6 });
  const colour = colours(pictures.points);
  for (const point of [...pictures.points].sort((one, other) => other.count - one.count)) {
    const name = document.createElement("strong");
    name.textContent = point.name;
    L.circleMarker([point.latitude, point.longitude], {
      radius: 6 + 2.5 * Math.sqrt(point.count),
      color: "#fff",
      weight: 1.5,
      fillColor: colour(point.median),
      fillOpacity: 0.88,
    })
      .bindPopup(line(name, line(`${price(point.median)} ${said.per}`), line(`${said.prices}: ${point.count}`)))
      .bindTooltip(price(point.median))
      .addTo(map);
  }
  const legend = L.control({ position: "bottomleft" });
  legend.onAdd = () => {
    const box = line();
    box.style.cssText = "background:#fffd;padding:.3rem .6rem;border-radius:.4rem;font-size:.8rem";
    const bar = line();
    bar.style.cssText = `height:.5rem;width:9rem;border-radius:.25rem;background:linear-gradient(90deg,${STEPS})`;
    const values = pictures.points.map((point) => Number(point.median));
    const ends = line(line(price(Math.min(...values))), line(price(Math.max(...values))));
    ends.style.cssText = "display:flex;justify-content:space-between";
    box.append(bar, ends);
    return box;
  };
  if (pictures.points.length > 1) legend.addTo(map);
  const answer = await fetch(said.outlines);
  if (!answer.ok) return;
  const land = { color: "#8493a0", weight: 1, fillColor: "#eef2ef", fillOpacity: 1, interactive: false };
  const world = await answer.json();
  const shapes = world.features.map((country) => country.geometry);
  L.geoJSON(shapes, { style: land }).addTo(map).bringToBack();
  element.dataset.drawn = "yes";
}

document.addEventListener("DOMContentLoaded", async () => {
  const chart = document.getElementById("price-chart");
  if (!chart) return;
  const answer = await fetch(chart.dataset.pictures);
  if (!answer.ok) {
    chart.textContent = chart.dataset.failed;
    return;
  }
  const pictures = await answer.json();
  drawChart(chart, pictures);
  const map = document.getElementById("price-map");
  if (map) await drawMap(map, pictures);
});
