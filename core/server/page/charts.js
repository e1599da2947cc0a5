// A line chart on a canvas. The table beside it says the same to those who do not see it.

const PAD = { left: 44, right: 8, top: 8, bottom: 22 };

// series: [{ name, values: [[x, y], ...], colour, dash }]
export function drawChart(canvas, series, format) {
  const context = canvas.getContext("2d");
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  const points = series.flatMap(({ values }) => values);
  if (!points.length) return;
  const xs = points.map(([x]) => x), ys = points.map(([, y]) => y);
  const [x0, x1] = [Math.min(...xs), Math.max(...xs)];
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const room = (high - low || 1) * 0.08;
  const [y0, y1] = [low - room, high + room];
  const at = ([x, y]) => [
    // A single epoch is one point in the middle.
    PAD.left + (x1 > x0 ? (x - x0) / (x1 - x0) : 0.5) * (width - PAD.left - PAD.right),
    height - PAD.bottom - ((y - y0) / (y1 - y0)) * (height - PAD.top - PAD.bottom),
  ];
  const style = getComputedStyle(canvas);
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = context.strokeStyle = style.color;
  context.lineWidth = 0.5;
  for (const share of high > low ? [0, 0.5, 1] : [0]) {
    const value = low + share * (high - low);
    const [, y] = at([x0, value]);
    context.beginPath();
    context.moveTo(PAD.left, y);
    context.lineTo(width - PAD.right, y);
    context.stroke();
    context.fillText(format(value), 2, y + 4);
  }
  if (x1 > x0) {
    context.fillText(String(x0), PAD.left, height - 6);
    context.fillText(String(x1), width - PAD.right - 20, height - 6);
  } else {
    context.fillText(String(x0), at([x0, low])[0] - 4, height - 6);
  }
  series.forEach(({ name, values, colour, dash }, i) => {
    context.strokeStyle = context.fillStyle = style.getPropertyValue(colour);
    context.lineWidth = 2;
    context.setLineDash(dash);
    context.beginPath();
    for (const point of values) context.lineTo(...at(point));
    context.stroke();
    context.setLineDash([]);
    if (values.length === 1) context.fillRect(at(values[0])[0] - 2, at(values[0])[1] - 2, 4, 4);
    context.fillText(`${dash.length ? "┄" : "─"} ${name}`, PAD.left + 90 * i + 30, height - 6);
  });
}
