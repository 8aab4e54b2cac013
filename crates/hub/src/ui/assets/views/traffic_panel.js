// One ranking: addresses, protocols, connections or ports. Values of several devices with the same key are one bar.

import { Chart } from '../charts.js';
import { fill, h } from '../dom.js';
import { bits, bytes, unescapeSegment } from '../format.js';
import { icon, notice } from '../ui.js';

const SHOWN = 10;
/** Of all devices together: ten of each. */
const MOST = 500;

const SERVICES = {
  20: 'FTP data', 21: 'FTP', 22: 'SSH', 23: 'Telnet', 25: 'SMTP', 53: 'DNS', 67: 'DHCP', 80: 'HTTP', 110: 'POP3', 123: 'NTP', 137: 'NetBIOS', 139: 'NetBIOS', 143: 'IMAP',
  161: 'SNMP', 162: 'SNMP traps', 179: 'BGP', 389: 'LDAP', 443: 'HTTPS', 445: 'SMB', 465: 'SMTPS', 500: 'IKE', 514: 'syslog', 587: 'SMTP', 636: 'LDAPS', 853: 'DNS over TLS', 873: 'rsync',
  993: 'IMAPS', 995: 'POP3S', 1194: 'OpenVPN', 1433: 'SQL Server', 1521: 'Oracle', 1883: 'MQTT', 2049: 'NFS', 2055: 'NetFlow', 3128: 'proxy', 3306: 'MySQL', 3389: 'RDP', 4500: 'IPsec',
  5060: 'SIP', 5432: 'PostgreSQL', 5671: 'AMQPS', 5672: 'AMQP', 5900: 'VNC', 6379: 'Redis', 8080: 'HTTP', 8443: 'HTTPS', 9092: 'Kafka', 9100: 'printing', 9200: 'Elasticsearch', 27017: 'MongoDB', 51820: 'WireGuard',
};

const share = (part) => `${(part * 100).toFixed(1)} %`;

export const PANELS = [
  { key: 'topip', title: ({ direction }) => (direction === 'ingress' ? 'Top talkers (sources)' : 'Top talkers (destinations)'), wild: '?', label: ([ip]) => h('span.mono', unescapeSegment(ip)), interfaces: true },
  { key: 'topprotocol', title: () => 'Protocols', wild: '?', label: ([name]) => name, interfaces: true },
  { key: 'topconn', title: () => 'Connections', wild: '?.?', label: ([from, to]) => h('span.mono', unescapeSegment(from), h('span.dim', ' → '), unescapeSegment(to)), interfaces: false },
  { key: 'topdstports', title: () => 'Destination ports', wild: '?', label: ([port]) => [h('span.mono', port), SERVICES[port] ? h('span.dim', ` ${SERVICES[port]}`) : null], interfaces: false },
];

export class TrafficPanel {
  constructor(kind, page) {
    Object.assign(this, { kind, page, open: new Map() });
    this.heading = h('h2');
    this.rest = h('span.dim.small');
    this.list = h('ol.bars');
    this.element = h('section.card.traffic-panel', h('div.card-head', this.heading, this.rest), this.list);
  }

  /** Other paths: what was open belongs to the last ones. */
  clear() {
    for (const chart of this.open.values()) chart.destroy();
    this.open.clear();
  }

  async load(time, stale) {
    const { page, kind } = this;
    this.heading.textContent = kind.title(page);
    if (page.interface && !kind.interfaces) return this.say('Only for the device as a whole: choose “All interfaces”.');
    if (time === null) return this.say(page.nothingText);
    const stem = page.device ? page.stem() : `netflow.${page.interval}.${page.direction}.entity.?`;
    const answer = await page.top(`${stem}.${kind.key}.${kind.wild}`, page.device ? 2 * SHOWN : MOST, time);
    if (stale()) return undefined;
    // Another window means that this one has none of it.
    if (answer.t === null || Math.abs(answer.t - time) > 1) return this.say('Nothing in this window.');
    return answer.list.length ? this.show(this.ranking(answer.list)) : this.say('Nothing in this window.');
  }

  ranking(list) {
    const bars = new Map();
    for (const { p, v } of list) {
      const segments = p.split('.');
      const key = segments.slice(segments.indexOf(this.kind.key) + 1);
      const id = key.join('.');
      const bar = bars.get(id) ?? { id, key, v: 0, paths: [] };
      bar.v += v;
      bar.paths.push(p);
      bars.set(id, bar);
    }
    return [...bars.values()].sort((a, b) => b.v - a.v).slice(0, SHOWN);
  }

  show(bars) {
    const { page } = this;
    const total = page.total || bars.reduce((sum, { v }) => sum + v, 0);
    const most = bars[0]?.v || 1;
    const rest = total - bars.reduce((sum, { v }) => sum + v, 0);
    this.rest.textContent = rest / total > 0.005 ? `all others ${share(rest / total)}` : '';
    // What is open stays open while the ranking changes.
    for (const [id, chart] of this.open) if (!bars.some((bar) => bar.id === id)) { chart.destroy(); this.open.delete(id); }
    const focused = this.list.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    fill(this.list, bars.map((bar) => this.bar(bar, most, total)));
    if (focused) [...this.list.querySelectorAll('button.bar')].find((one) => one.dataset.id === focused)?.focus();
  }

  bar(bar, most, total) {
    const opened = this.open.get(bar.id);
    const panel = h('div.bar-panel', { hidden: !opened }, opened?.element ?? null);
    const seconds = this.page.seconds;
    const face = h('button.bar', { type: 'button', 'aria-expanded': String(Boolean(opened)), data: { id: bar.id }, onclick: () => this.toggle(bar, face, panel) },
      h('i.bar-fill', { css: { width: `calc((100% - 152px) * ${(bar.v / most).toFixed(4)})` }, 'aria-hidden': 'true' }),
      icon('right'), h('span.bar-label', this.kind.label(bar.key)),
      h('span.number', { title: bytes(bar.v) }, bits((bar.v * 8) / seconds)), h('span.number.dim.share', share(total ? bar.v / total : 0)));
    return h('li', face, panel);
  }

  toggle(bar, face, panel) {
    const opened = this.open.get(bar.id);
    face.setAttribute('aria-expanded', String(!opened));
    panel.hidden = Boolean(opened);
    if (opened) {
      opened.destroy();
      this.open.delete(bar.id);
      panel.replaceChildren();
      return;
    }
    const { page } = this;
    const chart = new Chart(page.group, {
      title: bar.key.map(unescapeSegment).join(' → '), unit: 'bit/s', bottom: 0, height: 130, bare: true, step: page.seconds,
      help: 'Only windows in which it was among the biggest have a value.',
      series: [{ label: 'rate', paths: bar.paths, combine: 'sum', factor: 8 / page.seconds }],
    });
    this.open.set(bar.id, chart);
    panel.append(chart.element);
  }

  say(text) {
    this.clear();
    this.rest.textContent = '';
    fill(this.list, h('li.dim.nothing', text));
  }

  fail(error) {
    if (error.name !== 'AbortError') fill(this.list, h('li', notice('error', error.message)));
  }
}
