/** How what is sampled of a system becomes groups of charts: GPUs, then the process, then the machine. */
import type { PanelQuery, SystemDevice, SystemHost, SystemMetric } from '../data/types';
import type { Line, Panel } from './sections';

/** More devices of a kind than this are rows of one picture. */
export const MOST_CARDS = 16;

export interface DeviceCard {
  id: string;
  number: number;
  title: string;
  panels: Panel[];
  /** What is rarely looked at. */
  more: Panel[];
}
export interface SystemGroup {
  name: string;
  panels: Panel[];
  /** One row per device; null for few of them. */
  heat: Panel | null;
  cards: DeviceCard[];
}

interface Chart {
  title: string;
  /** Each a name, or what matches several, and what its line is called; `*` stands for the match. */
  lines: [name: string | RegExp, title: string, isLimit?: 'limit'][];
}

const chart = (title: string, ...lines: Chart['lines']): Chart => ({ title, lines });

const GPU_CHARTS = [
  chart('Utilisation', ['gpu', 'cores'], ['memory', 'memory access']),
  chart('Memory', ['memoryAllocated', 'in use']),
  chart('Power', ['powerWatts', 'power'], ['enforcedPowerLimitWatts', 'cap', 'limit']),
  chart('Temperature', ['temp', 'temperature']),
  chart('Clocks', ['smClock', 'SM'], ['memoryClock', 'memory'], ['graphicsClock', 'graphics']),
];
const MORE_GPU_CHARTS = [
  chart('Memory in use', ['memoryAllocatedBytes', 'all'], ['process.memoryAllocatedBytes', 'this run']),
  chart('MIG instances', [/^mig\.(\d+)\.memoryAllocated$/, 'instance *']),
  chart('Share of the power cap', ['powerPercent', 'power']),
  chart('Energy', ['energyJoules', 'energy']),
  chart('Throttle reasons', ['throttleReasons', 'bit mask']),
  chart('Memory errors', ['correctedMemoryErrors', 'corrected'], ['uncorrectedMemoryErrors', 'uncorrected']),
  chart('Encoder', ['encoderUtilization', 'encoder']),
  chart('Fan', ['fanSpeed', 'fan']),
  chart('PCIe', ['pcieLinkGen', 'generation'], ['pcieLinkWidth', 'lanes']),
];
const HOST_CHARTS: Record<string, Chart[]> = {
  Process: [
    chart('CPU, of all cores', ['cpu', 'CPU']),
    chart('Memory', ['proc.memory.rssMB', 'resident'], ['proc.memory.pssMB', 'proportional']),
    chart('Memory, of the machine', ['proc.memory.percent', 'resident']),
    chart('Threads', ['proc.cpu.threads', 'threads']),
    chart('Processes', ['proc.count', 'processes']),
    chart('Open files', ['proc.files', 'files']),
  ],
  CPU: [
    chart('All cores', ['host.cpu', 'all cores']),
    chart('Throttled', ['proc.cpu.throttledPercent', 'periods']),
    chart('Cores that may be used', ['cgroup.cpu.limit', 'cores']),
  ],
  Memory: [
    chart(
      'In use',
      ['memory_percent', 'machine'],
      ['cgroup.memory.percent', 'container'],
      ['swap.used_percent', 'swap'],
    ),
    chart('Available', ['proc.memory.availableMB', 'available']),
    chart('Container', ['cgroup.memory.usedMB', 'in use'], ['cgroup.memory.limitMB', 'limit', 'limit']),
    chart('Killed for memory', ['proc.memory.oomKills', 'processes']),
  ],
  Disk: [
    chart('In use', [/^disk\.(.+)\.usagePercent$/, '*']),
    chart('Space in use', [/^disk\.(.+)\.usageGB$/, '*']),
    chart('Throughput', ['disk.readMBps', 'read'], ['disk.writeMBps', 'written']),
    chart('Since the start', ['disk.in', 'read'], ['disk.out', 'written']),
  ],
  Network: [
    chart('Throughput', ['network.recvBps', 'received'], ['network.sentBps', 'sent']),
    chart('Since the start', ['network.recv', 'received'], ['network.sent', 'sent']),
  ],
};

/** Units of which nothing is far from what is measured; the charts of others begin at zero. */
const FAR_FROM_ZERO = new Set(['°C', 'MHz', 'J']);

function panelOf(title: string, lines: readonly Line[], { unit, max }: SystemMetric): Panel {
  const [first] = lines as [Line];
  return {
    key: first.name,
    title,
    lines,
    scale: { unit, bounds: [FAR_FROM_ZERO.has(unit) ? null : 0, max] },
  };
}

const owned = (owner: string, panels: readonly Panel[]): Panel[] =>
  panels.map((panel) => ({ ...panel, owner }));

/** The charts whose names are there, which leave `pool`; it maps the name in a chart to the metric. */
function take(charts: readonly Chart[], pool: Map<string, SystemMetric>): Panel[] {
  return charts.flatMap(({ title, lines: wanted }) => {
    let metric: SystemMetric | null = null;
    const lines: Line[] = [];
    for (const [name, lineTitle, limit] of wanted)
      for (const [short, found] of [...pool]) {
        const match = typeof name === 'string' ? short === name : name.exec(short);
        if (!match) continue;
        const text = typeof match === 'boolean' ? lineTitle : lineTitle.replace('*', () => match[1] ?? '');
        lines.push({ name: found.name, title: text, ...(limit ? { isLimit: true } : {}) });
        metric ??= found;
        pool.delete(short);
      }
    return metric ? [panelOf(title, lines, metric)] : [];
  });
}

/** Each of what is left has its own chart: a newer client samples more than we know. */
const rest = (pool: ReadonlyMap<string, SystemMetric>): Panel[] =>
  [...pool].map(([short, metric]) => panelOf(short, [{ name: metric.name, title: short }], metric));

const OWN_MEMORY = /^process\.(mig\.\d+\.)?memoryAllocated/;

function gpuCard({ id, number, metrics }: SystemDevice): DeviceCard {
  const pool = new Map(
    metrics.map((metric) => [
      metric.name.replace(`gpu.process.${number}.`, 'process.').replace(`${id}.`, ''),
      metric,
    ]),
  );
  // What is the device's and not the processes' is there twice.
  for (const short of [...pool.keys()])
    if (short.startsWith('process.') && !OWN_MEMORY.test(short) && pool.has(short.slice(8)))
      pool.delete(short);
  const title = `GPU ${number}`;
  const panels = owned(title, take(GPU_CHARTS, pool));
  return { id, number, title, panels, more: owned(title, [...take(MORE_GPU_CHARTS, pool), ...rest(pool)]) };
}

/** What a device is looked at for: how busy it is. */
function mainOf({ id, metrics }: SystemDevice): SystemMetric | undefined {
  const named = metrics.find(({ name }) => name === `${id}.gpu` || name === `${id}.cpu_percent`);
  return named ?? metrics.find(({ unit }) => unit === '%');
}

/** One picture of all devices of a kind. */
function together(devices: readonly SystemDevice[], title: string, noun: string): Panel | null {
  const found = devices.flatMap((device) => {
    const main = mainOf(device);
    return main ? [{ main, line: { name: main.name, title: `${noun} ${device.number}` } }] : [];
  });
  const [first] = found;
  if (!first) return null;
  const lines = found.map(({ line }) => line);
  return { ...panelOf(title, lines, first.main), key: `${noun} *` };
}

const asHeat = (panel: Panel | null): Panel | null => panel && { ...panel, devices: true };

/** Of all writers: one that samples what others do not adds it. */
function merged(hosts: readonly SystemHost[]): Pick<SystemHost, 'metrics' | 'devices'> {
  const distinct = (metrics: readonly SystemMetric[]) => [
    ...new Map(metrics.map((metric) => [metric.name, metric])).values(),
  ];
  const devices = new Map<string, SystemDevice>();
  for (const device of hosts.flatMap((host) => host.devices)) {
    const metrics = [...(devices.get(device.id)?.metrics ?? []), ...device.metrics];
    devices.set(device.id, { ...device, metrics: distinct(metrics) });
  }
  return {
    metrics: distinct(hosts.flatMap((host) => host.metrics)),
    devices: [...devices.values()].sort((a, b) => a.number - b.number),
  };
}

/** The groups that have something to show. */
export function groupsOf(hosts: readonly SystemHost[]): SystemGroup[] {
  const { metrics, devices } = merged(hosts);
  const [gpus, cores] = (['gpu', 'cpu'] as const).map((kind) =>
    devices.filter((one) => one.kind === kind),
  ) as [SystemDevice[], SystemDevice[]];
  const pool = new Map(metrics.map((metric) => [metric.name, metric]));
  const groups: SystemGroup[] = [
    {
      name: 'GPUs',
      panels: [],
      heat: gpus.length > MOST_CARDS ? asHeat(together(gpus, 'Utilisation', 'GPU')) : null,
      cards: gpus.map(gpuCard),
    },
    ...Object.entries(HOST_CHARTS).map(([name, charts]) => ({
      name,
      panels: owned(name, take(charts, pool)),
      heat: null,
      cards: [],
    })),
    { name: 'Other', panels: rest(pool), heat: null, cards: [] },
  ];
  const cpu = groups.find(({ name }) => name === 'CPU') as SystemGroup;
  const each = together(cores, 'Each core', 'Core');
  if (each && cores.length > MOST_CARDS) cpu.heat = asHeat(each);
  else if (each) cpu.panels.push(...owned(cpu.name, [each]));
  return groups.filter(({ panels, heat, cards }) => panels.length > 0 || heat !== null || cards.length > 0);
}

/** What a panel is drawn from: the heat strip of all devices from one picture of them. */
export function sourceOf(panel: Panel | undefined): Pick<PanelQuery, 'series' | 'agg'> {
  const names = (panel?.lines ?? []).map(({ name }) => name);
  if (!panel?.devices) return { series: names.map((name) => ({ system: name })) };
  const patterns = new Set(names.map((name) => name.replace(/^(gpu|cpu)\.\d+\./, '$1.*.')));
  return { series: [...patterns].map((name) => ({ system: name })), agg: 'devices' };
}

/** All panels of some groups, whether they are on screen or not. */
export const allPanels = (groups: readonly SystemGroup[]): Panel[] =>
  groups.flatMap(({ panels, heat, cards }) => [
    ...panels,
    ...(heat ? [heat] : []),
    ...cards.flatMap((card) => [...card.panels, ...card.more]),
  ]);
