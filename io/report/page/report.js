'use strict';
(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const metric = data.settings.metric;
  const title = data.metric_title;
  const byLatency = data.cost_axis === 'latency_ms';
  const kPlain = 30;  // up to this many points, each carries its error bar
  const kNumbers = 14;  // up to this many points of the front are drawn large enough to be numbered
  const kBars = 20;   // layers and classes drawn before "all" is asked for

  // ---- small helpers -------------------------------------------------------------------------------
  const byId = (id) => document.getElementById(id);
  const finite = (x) => typeof x === 'number' && Number.isFinite(x);
  const fixed = (x, digits) => (finite(x) ? x.toFixed(digits) : '–');
  const signed = (x, digits) => (finite(x) ? (x > 0 ? '+' : x < 0 ? '−' : '±') + Math.abs(x).toFixed(digits) : '–');
  const percent = (x, digits = 2) => (finite(x) ? (100 * x).toFixed(digits) : '–');
  const milli = (x) => (finite(x) ? (x >= 100 ? x.toFixed(1) : x >= 1 ? x.toFixed(2) : x.toFixed(4)) : '–');
  const points = (fraction) => `${+(100 * fraction).toFixed(3)} point${fraction === 0.01 ? '' : 's'}`;
  const unbroken = (text) => text.replaceAll(' %', '\u00a0%');
  const exponent = (x) => (finite(x) ? (x === 0 ? '0' : x.toExponential(2)) : '–');
  const count = (x) => (finite(x) ? x.toLocaleString('en') : '–');
  const bytes = (x) => {
    if (!finite(x)) return '–';
    const units = ['B', 'KiB', 'MiB', 'GiB'];
    let i = 0;
    while (x >= 1024 && i < units.length - 1) { x /= 1024; i += 1; }
    return (i === 0 ? x : x.toFixed(x >= 100 ? 0 : x >= 10 ? 1 : 2)) + ' ' + units[i];
  };
  /** An element; `content` is text or elements, never markup. */
  const make = (tag, attributes = {}, ...content) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
      else if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...content.filter((c) => c !== null && c !== undefined));
    return element;
  };
  const badge = (text, kind) => make('span', {class: 'badge ' + (kind || '')}, text);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const wrapped = (text, width) => {
    const lines = [];
    for (let rest = text; rest && lines.length < 4; rest = rest.slice(lines[lines.length - 1].length).trimStart()) {
      const space = rest.length > width ? rest.lastIndexOf(' ', width) : -1;
      lines.push(rest.slice(0, rest.length <= width ? rest.length : space > 0 ? space : width));
    }
    if (lines.join(' ').length < text.length - 4) lines.push('…');
    return lines;
  };

  /** Precisions get one colour everywhere: cool = wide, warm = narrow. */
  const dark = () => matchMedia('(prefers-color-scheme: dark)').matches;
  const kHues = [[215, 12], [205, 75], [168, 62], [262, 55], [32, 85], [345, 65], [52, 75], [130, 40], [295, 45], [12, 70]];
  const precisionColor = (index, alpha = 1) => {
    const [hue, saturation] = kHues[index % kHues.length];
    return `hsla(${hue}, ${saturation}%, ${(dark() ? 62 : 47) + (index >= kHues.length ? 14 : 0)}%, ${alpha})`;
  };
  const precisionIndex = new Map(data.settings.precisions.map((name, i) => [name, i]));

  /** Buttons of which one is pressed. */
  const segment = (label, options, chosen, onChange) => {
    const box = make('span', {class: 'segment', role: 'group', 'aria-label': label});
    for (const [value, text] of options) {
      box.append(make('button', {type: 'button', 'aria-pressed': String(value === chosen), onclick: (event) => {
        for (const button of box.children) button.setAttribute('aria-pressed', String(button === event.target));
        onChange(value);
      }}, text));
    }
    return box;
  };
  const checkbox = (text, checked, onChange) => {
    const input = make('input', {type: 'checkbox', onchange: (event) => onChange(event.target.checked)});
    input.checked = checked;
    return make('label', {}, input, text);
  };

  /** Fills a table. Columns: {title, num, value(row) for sorting, cell(row)}. */
  const fillTable = (table, columns, rows, options = {}) => {
    let order = options.order || null;  // {column, descending}
    const head = make('tr');
    const body = make('tbody');
    const draw = () => {
      let sorted = rows.filter(options.filter || (() => true));
      if (order) {
        const key = columns[order.column].value;
        const compare = (a, b) => {
          const [x, y] = [key(a), key(b)];
          const [missingX, missingY] = [x === null || x === undefined, y === null || y === undefined];
          if (missingX || missingY) return missingX - missingY;
          return (x < y ? -1 : x > y ? 1 : 0) * (order.descending ? -1 : 1);
        };
        sorted = [...sorted].sort(compare);
      }
      body.replaceChildren(...sorted.map((row) => {
        const tr = make('tr', options.pick ? {class: 'pick', tabindex: 0, 'data-id': row.scheme_id} : {},
          ...columns.map((c) => make('td', {class: (c.num ? 'num ' : '') + (c.kind || '')}, c.cell(row))));
        if (options.pick) {
          tr.addEventListener('click', () => options.pick(row));
          tr.addEventListener('keydown', (event) => { if (event.key === 'Enter') options.pick(row); });
        }
        return tr;
      }));
      [...head.children].forEach((th, i) => {
        if (order && order.column === i) th.setAttribute('aria-sort', order.descending ? 'descending' : 'ascending');
        else th.removeAttribute('aria-sort');
      });
      if (options.drawn) options.drawn(sorted.length);
    };
    columns.forEach((column, i) => {
      const th = make('th', {class: column.num ? 'num' : '', scope: 'col', title: column.hint}, column.title);
      if (column.value) {
        th.dataset.sort = '';
        th.tabIndex = 0;
        const sort = () => {
          order = {column: i, descending: order && order.column === i ? !order.descending : Boolean(column.num && column.falling)};
          draw();
        };
        th.addEventListener('click', sort);
        th.addEventListener('keydown', (event) => { if (event.key === 'Enter') sort(); });
      }
      head.append(th);
    });
    table.replaceChildren(make('thead', {}, head), body);
    draw();
    return draw;
  };

  // ---- the schemes ---------------------------------------------------------------------------------
  const schemes = data.schemes;
  const baseline = schemes.find((s) => s.baseline);
  const cost = (s) => s[data.cost_axis];
  const measured = schemes.filter((s) => s.status === 'ok' && finite(s[metric]) && finite(cost(s)));
  const front = measured.filter((s) => s.front).sort((a, b) => cost(a) - cost(b));
  const recommended = schemes.find((s) => s.scheme_id === data.decision.recommended.scheme_id) || baseline;
  const half = (s) => (s.ci_high - s.ci_low) / 2;
  const unlike = (s) => s.baseline || s.distinguishable;
  const dropText = (s) => (s.baseline ? 'float' : `${signed(100 * s.drop, 2)} [${signed(100 * s.drop_low, 2)}, ${signed(100 * s.drop_high, 2)}]`);
  const confidence = `${+(100 * data.settings.confidence).toFixed(3)} %`;
  const name = (s) => (s.baseline && !s.name ? 'float' : s.name);

  let selected = null;
  let frontChart = null;
  const select = (scheme) => {
    selected = scheme;
    drawDetail(scheme);
    document.querySelectorAll('tr[data-id]').forEach((tr) => tr.classList.toggle('selected', tr.dataset.id === scheme.scheme_id));
    if (frontChart) frontChart.update('none');
  };

  const drawDetail = (s) => {
    const rows = [[title, `${percent(s[metric])} % ± ${percent(half(s))}`]];
    if (!s.baseline) rows.push(['Drop, points', dropText(s)]);
    if (!s.baseline) rows.push(['Agreement', `${percent(s.agreement)} %`], ['KL', exponent(s.kl)]);
    if (finite(s.latency_ms)) {
      rows.push(['Latency', `${milli(s.latency_ms)} ms${s.latency_is_estimate ? ', estimated' : ''}`], ['Throughput', `${fixed(s.images_per_second, 1)} images/s`]);
      if (finite(baseline.latency_ms) && !s.baseline) rows.push(['Speed', `${fixed(baseline.latency_ms / s.latency_ms, 2)}× float`]);
    }
    rows.push(['Size', bytes(s.size_bytes)], ['Bits per weight', fixed(s.effective_bits, 2)], ['Images', count(s.images)]);
    const list = make('dl');
    for (const [term, value] of rows) list.append(make('dt', {}, term), make('dd', {}, value));
    const used = [...new Set(s.precision)].sort((a, b) => a - b);
    const box = byId('detail');
    box.replaceChildren(
      make('h3', {}, name(s)),
      make('div', {},
        s.baseline ? badge('float baseline') : null,
        s.front ? badge(`front #${front.indexOf(s) + 1}`, 'accent') : null, ' ',
        s === recommended && !s.baseline ? badge('recommended', 'good') : null, ' ',
        s.inseparable ? badge('inseparable from the next', 'warn') : null, ' ',
        unlike(s) ? null : badge('drop not distinguishable from 0')),
      list,
      make('div', {class: 'dim mono'}, 'by layer, input to output'),
      make('div', {class: 'strip'}, ...s.precision.map((p, i) => make('i', {
        style: `background:${precisionColor(p)}`, title: `${data.layers[i] ? data.layers[i].name : i}: ${data.settings.precisions[p]}`}))),
      make('div', {class: 'key'}, ...used.map((p) => make('span', {}, make('i', {style: `background:${precisionColor(p)}`}),
        `${data.settings.precisions[p]} × ${s.precision.filter((q) => q === p).length}`))),
      make('pre', {class: 'mono'}, s.scheme),
      make('button', {type: 'button', class: 'copy', onclick: async (event) => {
        const button = event.target;
        try { await navigator.clipboard.writeText(s.scheme); button.textContent = 'Copied'; }
        catch { button.textContent = 'Select the text above'; }
      }}, 'Copy scheme'),
      make('span', {class: 'dim mono'}, '  ' + s.scheme_id));
  };

  // ---- header, verdict, tiles ----------------------------------------------------------------------
  const drawHeader = () => {
    const m = data.model;
    byId('subtitle').append(`sha256 `, make('span', {class: 'mono', title: m.sha256}, m.sha256.slice(0, 16)),
      ` · ${count(data.layers.length)} layers · ${count(m.parameters)} parameters · ${count(m.macs)} MACs · ${count(data.dataset.evaluation.images)} evaluation images`);
    const kinds = {accept: 'good', 'accept with a warning': 'warn', 'realtime only': 'warn', unverified: 'warn', reject: 'bad', 'no scheme': 'bad', 'not complete': 'bad', 'float model in doubt': 'bad'};
    const d = data.decision;
    const badges = [badge(d.verdict, kinds[d.verdict] || 'accent')];
    if (d.verdict !== d.accuracy_verdict) badges.push(' ', badge('accuracy: ' + d.accuracy_verdict, kinds[d.accuracy_verdict] || 'accent'));
    byId('verdict-card').append(make('div', {}, ...badges), make('h2', {}, unbroken(d.headline)),
      make('ul', {}, ...d.advice.map((text) => make('li', {}, text))),
      make('dl', {class: 'profiles'}, ...d.profiles.map((p) => make('div', {}, make('dt', {}, `${p.profile}, under ${points(p.limit)}`),
        make('dd', {}, badge(p.acceptance, kinds[p.acceptance]))))));
    const tile = (label, value, unit, more) => byId('tiles').append(make('div', {class: 'card tile', style: 'margin:0'},
      make('div', {class: 'label'}, label), make('div', {class: 'value'}, value, make('small', {}, unit)), make('div', {class: 'more'}, more)));
    tile(`Float ${title}`, percent(baseline[metric]), '%', `± ${percent(half(baseline))} at ${confidence}`);
    tile(recommended.baseline ? 'Recommended: float' : `Recommended ${title}`, percent(recommended[metric]), '%',
      recommended.baseline ? 'no change' : `drop ${dropText(recommended)} points${unlike(recommended) ? '' : ', not distinguishable from 0'}`);
    if (finite(recommended.latency_ms) && finite(baseline.latency_ms)) {
      tile(recommended.latency_is_estimate ? 'Latency, estimated' : 'Latency', milli(recommended.latency_ms), 'ms', `${fixed(baseline.latency_ms / recommended.latency_ms, 2)}× the speed of float (${milli(baseline.latency_ms)} ms)`);
    } else {
      tile('Latency', '–', '', 'none known: no gain in speed is claimed');
    }
    tile('Weights', bytes(recommended.size_bytes), '', `${fixed(baseline.size_bytes / recommended.size_bytes, 2)}× smaller than float (${bytes(baseline.size_bytes)}), ${fixed(recommended.effective_bits, 2)} bits each`);
  };

  // ---- Pareto front --------------------------------------------------------------------------------
  const view = {y: 'metric', zoom: true};
  const yOf = (s) => (view.y === 'metric' ? 100 * s[metric] : -100 * s.drop);
  const lowOf = (s) => (view.y === 'metric' ? 100 * s.ci_low : -100 * s.drop_high);
  const highOf = (s) => (view.y === 'metric' ? 100 * s.ci_high : -100 * s.drop_low);
  const xOf = (s) => (byLatency ? s.latency_ms : s.size_bytes / 1024);

  /** Below the points a band along inseparable steps, and error bars; above them numbers and the selection. */
  const frontPlugin = {
    id: 'front',
    beforeDatasetsDraw(chart) {
      const {ctx, chartArea: area, scales: {x, y}} = chart;
      ctx.save();
      ctx.beginPath(); ctx.rect(area.left, area.top, area.width, area.height); ctx.clip();
      ctx.strokeStyle = css('--band');
      ctx.lineWidth = 18; ctx.lineCap = 'round'; ctx.lineJoin = 'round';
      ctx.beginPath();
      front.forEach((s, i) => {
        const next = front[i + 1];
        if (!s.inseparable || !next) return;
        ctx.moveTo(x.getPixelForValue(xOf(s)), y.getPixelForValue(yOf(s)));
        ctx.lineTo(x.getPixelForValue(xOf(next)), y.getPixelForValue(yOf(s)));
        ctx.lineTo(x.getPixelForValue(xOf(next)), y.getPixelForValue(yOf(next)));
      });
      ctx.stroke();
      ctx.lineCap = 'butt';
      ctx.strokeStyle = ctx.fillStyle = css('--muted'); ctx.lineWidth = 1;
      ctx.setLineDash([5, 4]);
      ctx.beginPath(); ctx.moveTo(area.left, y.getPixelForValue(yOf(baseline))); ctx.lineTo(area.right, y.getPixelForValue(yOf(baseline))); ctx.stroke();
      ctx.setLineDash([]);
      ctx.font = '11px Inter, system-ui, sans-serif'; ctx.textAlign = 'left';
      ctx.fillText('float', area.left + 6, y.getPixelForValue(yOf(baseline)) - 5);
      const bars = measured.length <= kPlain ? measured : measured.filter((s) => s.front || s.baseline || s === selected);
      for (const s of bars) {
        if (!finite(lowOf(s)) || !finite(highOf(s))) continue;
        const [px, top, bottom] = [x.getPixelForValue(xOf(s)), y.getPixelForValue(highOf(s)), y.getPixelForValue(lowOf(s))];
        ctx.globalAlpha = s === selected ? 1 : s.front ? .55 : .3;
        ctx.strokeStyle = s.front ? css('--accent') : css('--dot');
        ctx.lineWidth = s === selected ? 2 : 1.25;
        ctx.beginPath();
        ctx.moveTo(px, top); ctx.lineTo(px, bottom);
        ctx.moveTo(px - 4, top); ctx.lineTo(px + 4, top);
        ctx.moveTo(px - 4, bottom); ctx.lineTo(px + 4, bottom);
        ctx.stroke();
      }
      ctx.restore();
    },
    afterDatasetsDraw(chart) {
      const {ctx, chartArea: area, scales: {x, y}} = chart;
      const taken = [];
      ctx.save();
      ctx.font = '600 11px Inter, system-ui, sans-serif';
      ctx.textAlign = 'center'; ctx.textBaseline = 'middle';
      if (!crowded) front.forEach((s, i) => {
        const [px, py] = [x.getPixelForValue(xOf(s)), y.getPixelForValue(yOf(s))];
        const outside = py < area.top || py > area.bottom || px < area.left || px > area.right;
        if (outside || taken.some(([a, b]) => Math.hypot(a - px, b - py) < 15)) return;
        taken.push([px, py]);
        ctx.fillStyle = css('--card');
        ctx.fillText(String(i + 1), px, py + .5);
      });
      if (selected && measured.includes(selected)) {
        ctx.beginPath();
        ctx.arc(x.getPixelForValue(xOf(selected)), y.getPixelForValue(yOf(selected)), selected.front && !crowded ? 12 : 8, 0, 2 * Math.PI);
        ctx.strokeStyle = css('--text'); ctx.lineWidth = 1.75; ctx.stroke();
      }
      ctx.restore();
    },
  };

  const crowded = front.length > kNumbers;
  /** The ranges of the axes: of the front and its bars when zoomed, of all points otherwise. */
  const ranges = () => {
    // A float point far off on its own would squeeze the rest: its level is drawn as a line anyway.
    const others = front.filter((s) => !s.baseline);
    const alone = others.length > 2 && cost(baseline) > 1.5 * Math.max(...others.map(cost));
    const shown = view.zoom && front.length > 1 ? (alone ? others : front) : measured;
    const around = (values, margin) => {
      const known = values.filter(finite);
      const [low, high] = [Math.min(...known), Math.max(...known)];
      return known.length ? {min: low - margin(high - low), max: high + margin(high - low)} : {};
    };
    return {x: around(shown.map(xOf), (width) => width * .05 || .01),
      y: around([...shown, baseline].flatMap((s) => [lowOf(s), highOf(s), yOf(s)]), (height) => Math.max(height * .06, .05))};
  };

  const drawFront = () => {
    if (frontChart) frontChart.destroy();
    const range = ranges();
    const hidden = measured.filter((s) => yOf(s) < range.y.min || xOf(s) > range.x.max).length;
    const inFront = new Set(front);
    const others = measured.filter((s) => !inFront.has(s) && !s.baseline);
    const many = others.length > 120;
    const point = (s) => ({x: xOf(s), y: yOf(s), scheme: s});
    const datasets = [
      {label: 'on the front', data: front.map(point), pointRadius: crowded ? 5 : 8.5, pointHoverRadius: crowded ? 7 : 10, pointBackgroundColor: css('--accent'),
        pointBorderColor: css('--card'), pointBorderWidth: 1.5, showLine: true, stepped: 'before', borderColor: css('--accent'), borderWidth: 1.75, order: 1},
      {label: 'dominated', data: others.map(point), pointRadius: many ? 2.6 : 4.5, pointHoverRadius: 7, pointBackgroundColor: css('--dot') + (many ? '99' : 'cc'),
        pointBorderWidth: 0, order: 3},
    ];
    if (!inFront.has(baseline) && measured.includes(baseline)) {
      datasets.push({label: 'float', data: [point(baseline)], pointStyle: 'rectRot', pointRadius: 9, pointHoverRadius: 11, pointBackgroundColor: css('--text'), pointBorderColor: css('--card'), order: 2});
    }
    frontChart = new Chart(byId('front-chart'), {
      type: 'scatter', data: {datasets}, plugins: [frontPlugin],
      options: {
        animation: false, maintainAspectRatio: false, clip: 8,
        onClick: (_event, hits) => { if (hits.length) select(frontChart.data.datasets[hits[0].datasetIndex].data[hits[0].index].scheme); },
        onHover: (event, hits) => { event.native.target.style.cursor = hits.length ? 'pointer' : 'default'; },
        scales: {
          x: {...range.x, title: {display: true, text: byLatency ? `latency, ms (${data.latency.label})` : 'weights, KiB (no latency is known)'}, ticks: {callback: (v) => +v.toPrecision(4), includeBounds: false}, grid: {color: css('--line')}},
          y: {...range.y, title: {display: true, text: view.y === 'metric' ? `${title}, %` : 'change against float, points (paired)'},
            ticks: {callback: (v) => +v.toFixed(2), includeBounds: false}, grid: {color: css('--line')}},
        },
        plugins: {
          legend: {position: 'bottom', labels: {usePointStyle: true, boxHeight: 7}},
          tooltip: {
            displayColors: false, filter: (_item, index) => index < 1,
            callbacks: {
              title: ([item]) => (item ? name(item.raw.scheme) : ''),
              label: ({raw: {scheme: s}}) => [
                `${title} ${percent(s[metric])} % ± ${percent(half(s))}`,
                ...(s.baseline ? [] : [`drop ${dropText(s)} points`, ...(unlike(s) ? [] : ['not distinguishable from 0'])]),
                `${finite(s.latency_ms) ? milli(s.latency_ms) + ' ms · ' : ''}${bytes(s.size_bytes)} · ${fixed(s.effective_bits, 2)} bits`,
                ...wrapped(s.scheme, 54)],
            },
          },
        },
      },
    });
    const marked = front.filter((s, i) => s.inseparable && front[i + 1]).length;
    byId('front-note').textContent = [
      `Bars: ${confidence} intervals${measured.length > kPlain ? ' of the front and the selected point' : ''}.`,
      marked ? `Amber: ${marked} step${marked > 1 ? 's' : ''} of the front whose ends are inseparable, within two paired standard errors.` : '',
      hidden ? `${hidden} point${hidden > 1 ? 's lie' : ' lies'} outside this view.` : ''].join(' ');
  };

  const drawFrontSection = () => {
    const failed = schemes.filter((s) => s.status !== 'ok').length;
    byId('front-lead').textContent = `${count(measured.length)} schemes, ${front.length} on the front${failed ? `, ${failed} failed or skipped` : ''}. Every point was evaluated, none predicted. `
      + (data.evaluated > schemes.length ? `Of ${count(data.evaluated)} schemes this page shows the front and an even choice of the others; outputs/sweep_index.csv has them all. ` : '')
      + (byLatency ? `Latency: ${data.latency.label}.` : 'No latency is known, so size is the cost.');
    byId('front-controls').append(
      segment('Vertical axis', [['metric', title], ['drop', 'Change against float']], view.y, (value) => { view.y = value; drawFront(); }),
      segment('Range', [[true, 'Zoom to front'], [false, 'All points']], view.zoom, (value) => { view.zoom = value; drawFront(); }));
    fillTable(byId('front-table'), [
      {title: '#', cell: (s) => String(front.indexOf(s) + 1)},
      ...schemeColumns().filter((c) => c.title !== 'Front'),
      {title: 'Step', cell: (s) => (s.inseparable ? badge('inseparable from next', 'warn') : '')},
    ], front, {pick: select});
    drawFront();
  };

  const drawExplanations = () => {
    byId('why').hidden = !data.explanations.length;
    for (const x of data.explanations) {
      const table = make('table');
      fillTable(table, [
        {title: 'Layer', kind: 'name break', cell: (c) => c.layer},
        {title: 'Kind', cell: (c) => `${c.depthwise ? 'depthwise ' : ''}${c.op}`},
        {title: 'Group', cell: (c) => c.group},
        {title: 'Share of the error', num: true, cell: (c) => unbroken(`${percent(c.share, 1)} %`)},
        {title: `${title} drop, points`, num: true, cell: (c) => signed(100 * c.drop, 2)},
        {title: 'Measured there', kind: 'reasons', cell: (c) => make('ul', {}, ...c.reasons.map((text) => make('li', {}, unbroken(text))))},
      ], x.causes);
      byId('why-list').append(make('div', {class: 'card'}, make('h3', {}, unbroken(x.headline)), make('div', {class: 'scroll'}, table),
        make('ul', {}, ...x.consequences.map((text) => make('li', {}, unbroken(text))))));
    }
  };

  // ---- tables of schemes ---------------------------------------------------------------------------
  function schemeColumns() {
    return [
      {title: 'Scheme', kind: 'name break', value: (s) => name(s), cell: (s) => make('span', {title: s.scheme}, name(s))},
      {title: `${title} %`, num: true, falling: true, value: (s) => s[metric], cell: (s) => `${percent(s[metric])} ± ${percent(half(s))}`},
      {title: 'Drop, points', num: true, hint: 'against float, paired; positive = worse', value: (s) => s.drop,
        cell: (s) => make('span', {class: unlike(s) ? '' : 'dim', title: unlike(s) ? null : 'not distinguishable from 0'}, dropText(s), unlike(s) ? '' : ' ≈ 0')},
      ...(byLatency ? [{title: 'Latency, ms', num: true, value: (s) => s.latency_ms, cell: (s) => milli(s.latency_ms)}] : []),
      {title: 'Size', num: true, value: (s) => s.size_bytes, cell: (s) => bytes(s.size_bytes)},
      {title: 'Bits', num: true, hint: 'mean bits per weight', value: (s) => s.effective_bits, cell: (s) => fixed(s.effective_bits, 2)},
      {title: 'KL', num: true, value: (s) => s.kl, cell: (s) => (s.baseline ? '–' : exponent(s.kl))},
      {title: 'Agreement %', num: true, falling: true, value: (s) => s.agreement, cell: (s) => (s.baseline ? '–' : percent(s.agreement))},
      {title: 'Front', value: (s) => (s.front ? 0 : 1), cell: (s) => (s.front ? badge(`#${front.indexOf(s) + 1}`, 'accent') : s.status === 'ok' ? '' : badge(s.status, 'bad'))},
    ];
  }

  const drawSchemes = () => {
    const columns = schemeColumns();
    if (schemes.some((s) => s.status !== 'ok')) columns.push({title: 'Reason', kind: 'break', cell: (s) => s.reason || ''});
    let query = '';
    const shown = make('span', {class: 'dim'});
    const redraw = fillTable(byId('scheme-table'), columns, schemes, {
      order: {column: 3, descending: false},  // the cost: latency where known, else size
      filter: (s) => `${name(s)} ${s.scheme} ${s.scheme_id}`.toLowerCase().includes(query),
      pick: (s) => { if (s.status === 'ok') { select(s); byId('front').scrollIntoView(); } },
      drawn: (n) => { shown.textContent = `${count(n)} of ${count(schemes.length)}`; },
    });
    byId('scheme-controls').append(make('input', {type: 'search', placeholder: 'Filter by name, layer or id', 'aria-label': 'Filter schemes',
      oninput: (event) => { query = event.target.value.toLowerCase(); redraw(); }}), shown, make('span', {class: 'dim'}, '≈ 0: not distinguishable from 0'));
  };

  const drawChoices = () => {
    const byScheme = (r) => schemes.find((s) => r && s.scheme_id === r.scheme_id);
    const link = (s) => (s ? make('a', {href: '#front', style: 'color:var(--accent);text-decoration:none', onclick: () => select(s)}, name(s)) : 'none');
    fillTable(byId('choice-table'), [
      {title: 'Purpose', cell: (c) => c.question},
      {title: 'Scheme', kind: 'break', cell: (c) => link(c.scheme)},
      {title: `${title} %`, num: true, cell: (c) => (c.scheme ? percent(c.scheme[metric]) : '')},
      byLatency ? {title: 'ms', num: true, cell: (c) => (c.scheme ? milli(c.scheme.latency_ms) : '')} : {title: 'Size', num: true, cell: (c) => (c.scheme ? bytes(c.scheme.size_bytes) : '')},
    ], Object.values(data.decision.choices).map((c) => ({question: c.question, scheme: byScheme(c.scheme)})));
    const kinds = {accept: 'good', 'accept with a warning': 'warn', reject: 'bad'};
    fillTable(byId('profile-table'), [
      {title: 'Profile', cell: (p) => make('span', {}, p.profile, make('br'), make('span', {class: 'dim'}, `under ${points(p.limit)}`))},
      {title: 'Verdict', cell: (p) => make('span', {}, badge(p.acceptance, kinds[p.acceptance]), p.scheme && !p.certain ? ' ' : '', p.scheme && !p.certain ? badge('not certain', 'warn') : '')},
      {title: 'Because', kind: 'break', cell: (p) => p.text},
    ], data.decision.profiles);
  };

  // ---- sensitivity ---------------------------------------------------------------------------------
  const modes = ['only', 'all_but'].filter((m) => data.sensitivity.some((r) => r.mode === m));
  const scoreName = {kl: 'KL divergence of the outputs from float', mse: 'mean squared error of the outputs', sqnr: 'negative SQNR, dB', drop: `${title} drop`}[data.settings.score] || data.settings.score;
  const base = data.settings.sensitivity_base;
  const on = base ? `, on ${base.name}` : '';
  const modeNames = {only: base ? `Only this layer${on}` : 'Only this layer quantized', all_but: `All but this layer${on}`};
  const probed = data.settings.precisions.filter((p) => data.sensitivity.some((r) => r.precision === p));
  const inFront = (p) => front.reduce((n, s) => n + s.precision.filter((q) => q === precisionIndex.get(p)).length, 0);
  const common = [...probed].sort((a, b) => inFront(b) - inFront(a))[0];
  const sense = {mode: modes[0], what: 'score', precision: probed.length > 3 ? common : 'all', log: true, all: false};
  let senseChart = null;

  const drawSensitivity = () => {
    if (senseChart) senseChart.destroy();
    const value = (r) => (sense.what === 'score' ? r.sensitivity : 100 * r.degradation);
    const wanted = sense.precision === 'all' ? probed : [sense.precision];
    const cells = new Map();
    for (const r of data.sensitivity) {
      if (r.mode !== sense.mode || !wanted.includes(r.precision)) continue;
      if (!cells.has(r.layer)) cells.set(r.layer, {});
      cells.get(r.layer)[r.precision] = r;
    }
    const strength = (layer) => Math.max(...Object.values(cells.get(layer)).map((r) => (r.nonfinite || !finite(value(r)) ? Infinity : value(r))));
    const layers = [...cells.keys()].sort((a, b) => (strength(b) > strength(a) ? 1 : strength(b) < strength(a) ? -1 : 0));
    const shown = sense.all ? layers : layers.slice(0, kBars);
    const used = wanted.filter((p) => shown.some((layer) => cells.get(layer)[p]));
    byId('sensitivity-box').style.height = `${90 + shown.length * Math.max(24, 9 * used.length + 8)}px`;
    const useLog = sense.log && sense.what === 'score';
    const positive = shown.flatMap((layer) => used.map((p) => cells.get(layer)[p])).map((r) => (r ? value(r) : NaN)).filter((v) => finite(v) && v > 0);
    const ends = sense.what === 'score' ? [] : shown.flatMap((layer) => used.map((p) => cells.get(layer)[p])).filter(Boolean).flatMap((r) => [100 * r.ci_low, 100 * r.ci_high]).filter(finite);
    const wide = Math.max(...positive) > 100 * Math.min(...positive);
    const intervals = {
      id: 'intervals',
      afterDatasetsDraw(chart) {
        if (sense.what === 'score') return;
        const {ctx, chartArea: area, scales: {x}} = chart;
        ctx.save();
        ctx.beginPath(); ctx.rect(area.left, area.top, area.width, area.height); ctx.clip();
        ctx.strokeStyle = css('--muted'); ctx.lineWidth = 1;
        chart.data.datasets.forEach((set, d) => {
          if (!chart.isDatasetVisible(d)) return;
          chart.getDatasetMeta(d).data.forEach((bar, i) => {
            const r = set.rows[i];
            if (!r || !finite(r.ci_low)) return;
            ctx.beginPath();
            ctx.moveTo(x.getPixelForValue(100 * r.ci_low), bar.y); ctx.lineTo(x.getPixelForValue(100 * r.ci_high), bar.y);
            ctx.stroke();
          });
        });
        ctx.restore();
      },
    };
    senseChart = new Chart(byId('sensitivity-chart'), {
      type: 'bar', plugins: [intervals],
      data: {labels: shown, datasets: used.map((p) => ({
        label: p, rows: shown.map((layer) => cells.get(layer)[p]),
        data: shown.map((layer) => { const r = cells.get(layer)[p]; const v = r ? value(r) : null; return finite(v) && (!useLog || v > 0) ? v : null; }),
        backgroundColor: precisionColor(precisionIndex.get(p), .88), borderRadius: 3, barPercentage: .9, categoryPercentage: .8}))},
      options: {
        indexAxis: 'y', animation: false, maintainAspectRatio: false,
        interaction: {mode: 'nearest', axis: 'y', intersect: false},
        scales: {
          x: {type: useLog ? 'logarithmic' : 'linear', position: 'top', min: useLog && positive.length ? Math.min(...positive) / 1.7 : undefined,
            suggestedMin: ends.length ? Math.min(0, ...ends) : undefined, suggestedMax: ends.length ? Math.max(...ends) : undefined, grid: {color: css('--line')},
            title: {display: true, text: sense.what === 'score' ? scoreName : `${title} drop, points, with ${confidence} interval`},
            ticks: useLog ? {callback: (v) => (wide ? /^1e/ : /^[125]e/).test(v.toExponential()) ? v.toExponential(0) : ''} : {}},
          y: {grid: {display: false}, ticks: {autoSkip: false, callback(v) { const text = this.getLabelForValue(v); return text.length > 34 ? '…' + text.slice(-33) : text; }}},
        },
        plugins: {
          legend: {position: 'bottom', display: used.length > 1, labels: {boxWidth: 12, boxHeight: 12}},
          tooltip: {callbacks: {label: (item) => {
            const r = item.dataset.rows[item.dataIndex];
            return [`${r.precision}: score ${exponent(r.sensitivity)}`, `drop ${signed(100 * r.degradation, 2)} [${signed(100 * r.ci_low, 2)}, ${signed(100 * r.ci_high, 2)}] points${r.distinguishable ? '' : ', not distinguishable from 0'}`,
              `SQNR ${fixed(r.sqnr_db, 1)} dB · ${bytes(r.size_cost)}`];
          }}},
        },
      },
    });
  };

  const drawSensitivitySection = () => {
    if (!data.sensitivity.length) { byId('sensitivity').hidden = true; byId('heat').hidden = true; return; }
    byId('sensitivity-lead').textContent = `How much the model's answer changes by one layer's precision. Score: ${scoreName}, larger = more sensitive; the ${title} drop is what was measured on ${count(data.dataset.evaluation.images)} images.`
      + (base ? ` Layers that are not tried are at ${base.name}; drops are against ${base.name} on every layer (${title} ${percent(base[data.settings.metric], 2)} %).` : '');
    const redraw = (change) => { Object.assign(sense, change); drawSensitivity(); };
    const controls = byId('sensitivity-controls');
    if (modes.length > 1) controls.append(segment('Mode', modes.map((m) => [m, modeNames[m]]), sense.mode, (mode) => redraw({mode})));
    controls.append(segment('Value', [['score', 'Score'], ['drop', `${title} drop`]], sense.what, (what) => redraw({what})));
    if (probed.length > 1) controls.append(segment('Precision', [['all', 'All'], ...probed.map((p) => [p, p])], sense.precision, (precision) => redraw({precision})));
    controls.append(checkbox('log scale', sense.log, (log) => redraw({log})));
    if (data.layers.length > kBars) controls.append(checkbox(`all ${data.layers.length} layers`, sense.all, (all) => redraw({all})));
    drawSensitivity();
    fillTable(byId('sensitivity-table'), [
      {title: 'Layer', kind: 'break', value: (r) => r.layer, cell: (r) => r.layer},
      {title: 'Precision', value: (r) => r.precision, cell: (r) => r.precision},
      ...(modes.length > 1 ? [{title: 'Mode', value: (r) => r.mode, cell: (r) => r.mode}] : []),
      {title: 'Bits', num: true, value: (r) => r.num_bits, cell: (r) => String(r.num_bits)},
      {title: 'Score', num: true, falling: true, value: (r) => r.sensitivity, cell: (r) => exponent(r.sensitivity)},
      {title: 'Drop, points', num: true, falling: true, value: (r) => r.degradation,
        cell: (r) => make('span', {class: r.distinguishable ? '' : 'dim'}, `${signed(100 * r.degradation, 2)} [${signed(100 * r.ci_low, 2)}, ${signed(100 * r.ci_high, 2)}]${r.distinguishable ? '' : ' ≈ 0'}`)},
      {title: 'SQNR, dB', num: true, value: (r) => r.sqnr_db, cell: (r) => fixed(r.sqnr_db, 1)},
      {title: 'Cosine', num: true, value: (r) => r.cosine, cell: (r) => fixed(r.cosine, 5)},
      {title: 'QDQ error', num: true, falling: true, value: (r) => r.qdq_error, cell: (r) => exponent(r.qdq_error)},
      {title: 'Size', num: true, value: (r) => r.size_cost, cell: (r) => bytes(r.size_cost)},
      {title: 'Class', value: (r) => r.class, cell: (r) => make('span', {}, r.class ? badge(r.class, {high: 'bad', medium: 'warn', low: 'good'}[r.class]) : '', r.nonfinite ? badge('NaN or infinity', 'bad') : '')},
    ], data.sensitivity);
    drawHeatSection();
  };

  // ---- heat map ------------------------------------------------------------------------------------
  const heat = {mode: modes[0], what: 'score'};
  const drawHeat = () => {
    const rows = data.sensitivity.filter((r) => r.mode === heat.mode);
    const cells = new Map(rows.map((r) => [JSON.stringify([r.layer, r.precision]), r]));
    const columns = probed.filter((p) => rows.some((r) => r.precision === p));
    const logs = rows.map((r) => Math.log10(r.sensitivity)).filter(finite);
    const [low, high] = [Math.min(...logs), Math.max(...logs)];
    const worst = Math.max(...rows.map((r) => Math.max(0, r.degradation || 0)), 1e-9);
    const depth = (r) => {
      if (r.nonfinite) return 1;
      if (heat.what === 'drop') return Math.max(0, r.degradation) / worst;
      const l = Math.log10(r.sensitivity);
      return finite(l) ? (high > low ? (l - low) / (high - low) : .5) : 0;
    };
    const table = byId('heat-table');
    table.replaceChildren(
      make('thead', {}, make('tr', {}, make('th', {}, 'Layer, input to output'), ...columns.map((p) => make('th', {}, p)))),
      make('tbody', {}, ...data.layers.map((layer) => make('tr', {},
        make('td', {class: 'layer', title: `${layer.op} ${layer.weight_shape}`}, layer.name, make('span', {class: 'dim'}, `  ${layer.op}`)),
        ...columns.map((p) => {
          const r = cells.get(JSON.stringify([layer.name, p]));
          if (!r) return make('td', {class: 'cell dim'}, '');
          const d = depth(r);
          return make('td', {class: 'cell', style: `background:rgba(${css('--heat')},${(.03 + .82 * d).toFixed(3)})`,
            title: `${layer.name} at ${p}: score ${exponent(r.sensitivity)}, drop ${signed(100 * r.degradation, 2)} [${signed(100 * r.ci_low, 2)}, ${signed(100 * r.ci_high, 2)}] points, SQNR ${fixed(r.sqnr_db, 1)} dB`},
          r.nonfinite ? 'NaN' : heat.what === 'score' ? exponent(r.sensitivity) : r.distinguishable ? signed(100 * r.degradation, 2) : '≈ 0');
        })))));
    byId('heat-lead').textContent = heat.what === 'score' ? `${scoreName}, each layer at each precision, coloured on a log scale.`
      : `${title} drop in points; ≈ 0: not distinguishable from 0 at ${confidence}.`;
  };
  const drawHeatSection = () => {
    const redraw = (change) => { Object.assign(heat, change); drawHeat(); };
    if (modes.length > 1) byId('heat-controls').append(segment('Mode', modes.map((m) => [m, modeNames[m]]), heat.mode, (mode) => redraw({mode})));
    byId('heat-controls').append(segment('Value', [['score', 'Score'], ['drop', `${title} drop`]], heat.what, (what) => redraw({what})));
    drawHeat();
  };

  const drawGroups = () => {
    byId('groups').hidden = !data.groups.length;
    fillTable(byId('group-table'), [
      {title: 'Layer group', value: (g) => g.group, cell: (g) => g.group},
      {title: 'Sensitivity', value: (g) => g.sensitivity, cell: (g) => badge(g.sensitivity, {high: 'bad', medium: 'warn', low: 'good'}[g.sensitivity])},
      {title: 'Speed impact', num: true, falling: true, hint: 'share of the work', value: (g) => g.speed_impact, cell: (g) => `${percent(g.speed_impact, 1)} %`},
      {title: 'Recommendation', cell: (g) => g.recommendation},
      {title: 'Layers', num: true, value: (g) => g.layers, cell: (g) => String(g.layers)},
      {title: `${title} drop, points`, num: true, falling: true, value: (g) => g.drop, cell: (g) => signed(100 * g.drop, 2)},
      {title: 'KL', num: true, falling: true, value: (g) => g.kl, cell: (g) => exponent(g.kl)},
    ], data.groups);
  };

  // ---- classes -------------------------------------------------------------------------------------
  let classChart = null;
  const classed = front.filter((s) => !s.baseline && s.class_metric && s.class_metric.length === data.classes.length);
  const drawClasses = (s, all) => {
    if (classChart) classChart.destroy();
    const rows = data.classes.map((label, i) => ({label, before: baseline.class_metric[i], after: s.class_metric[i]}))
      .filter((r) => finite(r.before) && finite(r.after)).map((r) => ({...r, delta: 100 * (r.after - r.before)}))
      .sort((a, b) => a.delta - b.delta);
    const shown = all || rows.length <= 2 * kBars ? rows : [...rows.slice(0, kBars), ...rows.slice(-kBars / 2)];
    byId('class-box').style.height = `${70 + 24 * shown.length}px`;
    classChart = new Chart(byId('class-chart'), {
      type: 'bar',
      data: {labels: shown.map((r) => r.label), datasets: [{data: shown.map((r) => r.delta), backgroundColor: shown.map((r) => css(r.delta < 0 ? '--bad' : '--good') + 'b3'), borderRadius: 3, barPercentage: .75, minBarLength: 2}]},
      options: {indexAxis: 'y', animation: false, maintainAspectRatio: false,
        scales: {x: {title: {display: true, text: 'change against float, points'}, grid: {color: css('--line')}, grace: '5%'}, y: {grid: {display: false}, ticks: {autoSkip: false}}},
        plugins: {legend: {display: false}, tooltip: {callbacks: {label: ({dataIndex: i}) => `${signed(shown[i].delta, 2)} points: ${percent(shown[i].before)} % → ${percent(shown[i].after)} %`}}}},
    });
    byId('class-note').textContent = `${shown.length} of ${rows.length} classes, worst first. A class holds few images: single bars are noisier than the ${title} of all.`;
  };
  const drawClassSection = () => {
    if (!data.classes.length || !classed.length) { byId('classes').hidden = true; return; }
    const state = {scheme: classed.includes(recommended) ? recommended : classed[0], all: false};
    const list = make('select', {'aria-label': 'Scheme', onchange: (event) => { state.scheme = classed[event.target.selectedIndex]; drawClasses(state.scheme, state.all); }},
      ...classed.map((s) => make('option', {}, `#${front.indexOf(s) + 1}  ${name(s)}`)));
    list.selectedIndex = classed.indexOf(state.scheme);
    byId('class-controls').append(make('label', {}, 'Scheme', list));
    if (data.classes.length > 2 * kBars) byId('class-controls').append(checkbox(`all ${data.classes.length} classes`, false, (all) => { state.all = all; drawClasses(state.scheme, all); }));
    redrawClasses = () => drawClasses(state.scheme, state.all);
    redrawClasses();
  };
  let redrawClasses = () => {};

  // ---- latency, findings, method -------------------------------------------------------------------
  const drawLatency = () => {
    const {rows, label, batch, other_ms: other, boundary_ms: boundary, whole_files: whole} = data.latency;
    if (!label) {
      byId('latency-lead').textContent = 'No latency is known for this run: nothing here claims a gain in speed.';
      return;
    }
    byId('latency-lead').textContent = `${label}. Milliseconds of ${batch === 1 ? 'one image' : `a batch of ${batch} images`}; ${milli(other)} ms belong to no layer`
      + (boundary ? `, each change of precision takes ${milli(boundary)} ms` : '')
      + (whole ? `. The latency of ${whole} schemes is that of their whole files.` : '.');
    const columns = data.settings.precisions.filter((p) => rows.some((r) => r.precision === p));
    const cells = new Map(rows.map((r) => [JSON.stringify([r.layer, r.precision]), r]));
    const sources = new Set(rows.map((r) => r.source));
    const layers = [...new Set(rows.map((r) => r.layer))];
    fillTable(byId('latency-table'), [
      {title: 'Layer', kind: 'break', cell: (layer) => layer},
      ...columns.map((p) => {
        const at = (layer) => cells.get(JSON.stringify([layer, p]));
        return {title: p, num: true, falling: true, value: (layer) => (at(layer) ? at(layer).ms : null),
          cell: (layer) => (at(layer) ? make('span', {title: `${at(layer).source}${at(layer).kernel ? ', ' + at(layer).kernel : ''}${finite(at(layer).p95_ms) ? `; mean ${milli(at(layer).mean_ms)}, p95 ${milli(at(layer).p95_ms)}, p99 ${milli(at(layer).p99_ms)} ms` : ''}`}, milli(at(layer).ms),
            sources.size > 1 ? make('span', {class: 'dim'}, ` ${at(layer).source}`) : '') : '–')};
      }),
    ], layers);
  };

  const drawFindings = () => {
    const box = byId('finding-list');
    const section = (heading, items) => { if (items.length) box.append(make('h3', {}, heading), make('ul', {}, ...items.map((text) => make('li', {}, text)))); };
    section('What the run shows', data.remarks);
    section('Diagnosis of the large drop', data.decision.diagnosis);
    section('Failed or skipped', schemes.filter((s) => s.status !== 'ok').map((s) => `${name(s)}: ${s.reason}`));
    byId('findings').hidden = !box.children.length;
  };

  const drawMethod = () => {
    const {calibration, evaluation} = data.dataset;
    const s = data.settings;
    const set = (d) => make('span', {}, `${d.spec}, ${count(d.images)} images${d.sampling ? ', ' + d.sampling : ''}`, make('br'), make('span', {class: 'mono dim break'}, d.digest));
    const rows = [
      ['Model', make('span', {}, `${data.model.path}, opset ${data.model.opset}, input ${data.model.input_shape}`, make('br'), make('span', {class: 'mono dim break'}, data.model.sha256))],
      ['Evaluation', set(evaluation)], ['Calibration', set(calibration)], ['Calibrator', s.calibrator], ['Layer score', scoreName],
      ['Metric', `${metric}, higher is better; a drop is positive when worse`],
      ['Intervals', `${confidence}; drops are paired by image with the float model`],
      ['Precisions', s.precisions.join(', ')], ['BatchNorms folded', String(data.model.batch_norms_folded)]];
    byId('method-table').append(make('tbody', {}, ...rows.map(([label, value]) => make('tr', {}, make('td', {}, label), make('td', {class: 'break'}, value)))));
  };

  // ---- all of it -----------------------------------------------------------------------------------
  const theme = () => {
    Chart.defaults.font.family = 'Inter, system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif';
    Chart.defaults.color = css('--muted');
    Object.assign(Chart.defaults.plugins.tooltip, {backgroundColor: css('--text'), titleColor: css('--card'), bodyColor: css('--card'), padding: 10, cornerRadius: 8});
  };
  theme();
  drawHeader();
  drawFrontSection();
  drawExplanations();
  drawChoices();
  drawSchemes();
  drawSensitivitySection();
  drawGroups();
  drawClassSection();
  drawLatency();
  drawFindings();
  drawMethod();
  if (recommended.status === 'ok') select(recommended);
  for (const section of document.querySelectorAll('section[data-nav]')) {
    if (!section.hidden) byId('nav').append(make('a', {href: '#' + section.id}, section.dataset.nav));
  }
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    theme();
    drawFront();
    if (data.sensitivity.length) { drawSensitivity(); drawHeat(); }
    redrawClasses();
    if (selected) select(selected);
  });
})();
