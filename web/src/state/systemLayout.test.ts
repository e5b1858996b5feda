import { expect, test } from 'vitest';
import type { SystemDevice, SystemHost, SystemMetric } from '../data/types';
import { allPanels, groupsOf, sourceOf } from './systemLayout';

const percent = (name: string): SystemMetric => ({ name, unit: '%', max: 100 });
const plain = (name: string, unit = ''): SystemMetric => ({ name, unit, max: null });
const gpu = (number: number, ...more: SystemMetric[]): SystemDevice => ({
  id: `gpu.${number}`,
  kind: 'gpu',
  number,
  metrics: [percent(`gpu.${number}.gpu`), plain(`gpu.${number}.powerWatts`, 'W'), ...more],
});
const core = (number: number): SystemDevice => ({
  id: `cpu.${number}`,
  kind: 'cpu',
  number,
  metrics: [percent(`cpu.${number}.cpu_percent`)],
});
const host = (part: Partial<SystemHost>): SystemHost => ({ label: '', metrics: [], devices: [], ...part });
const many = <T>(count: number, make: (number: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

test('nothing sampled is no groups', () => {
  expect(groupsOf([])).toEqual([]);
  expect(groupsOf([host({})])).toEqual([]);
});

test('GPUs come first, then the process, then the machine', () => {
  const metrics = [
    plain('network.sent', 'B'),
    percent('disk./.usagePercent'),
    percent('host.cpu'),
    percent('cpu'),
  ];
  const groups = groupsOf([host({ metrics: [...metrics, percent('memory_percent')], devices: [gpu(0)] })]);
  expect(groups.map(({ name }) => name)).toEqual(['GPUs', 'Process', 'CPU', 'Memory', 'Disk', 'Network']);
});

test('a GPU’s power is beside its cap, which is a limit', () => {
  const [group] = groupsOf([host({ devices: [gpu(0, plain('gpu.0.enforcedPowerLimitWatts', 'W'))] })]);
  const power = group?.cards[0]?.panels.find(({ title }) => title === 'Power');
  expect(power).toMatchObject({
    key: 'gpu.0.powerWatts',
    owner: 'GPU 0',
    scale: { unit: 'W', bounds: [0, null] },
  });
  expect(power?.lines).toEqual([
    { name: 'gpu.0.powerWatts', title: 'power' },
    { name: 'gpu.0.enforcedPowerLimitWatts', title: 'cap', isLimit: true },
  ]);
});

test('percent goes from 0 to 100', () => {
  const panels = allPanels(groupsOf([host({ metrics: [percent('cpu')], devices: [gpu(0)] })]));
  const bounds = panels.filter(({ scale }) => scale?.unit === '%').map(({ scale }) => scale?.bounds);
  expect(bounds).toEqual([
    [0, 100],
    [0, 100],
  ]);
});

test('more than 16 devices are rows of one picture', () => {
  const few = groupsOf([host({ devices: [...many(16, gpu), ...many(16, core)] })]);
  expect(few.map(({ heat }) => heat)).toEqual([null, null]);
  expect(few[1]?.panels[0]?.lines).toHaveLength(16);
  const groups = groupsOf([host({ devices: [...many(17, gpu), ...many(64, core)] })]);
  expect(groups.map(({ heat }) => heat?.lines?.length)).toEqual([17, 64]);
  expect(groups[0]?.heat?.lines?.[3]).toEqual({ name: 'gpu.3.gpu', title: 'GPU 3' });
  expect(groups[0]?.cards).toHaveLength(17);
  expect(sourceOf(groups[0]?.heat ?? undefined)).toEqual({
    series: [{ system: 'gpu.*.gpu' }],
    agg: 'devices',
  });
  expect(sourceOf(few[1]?.panels[0])).toMatchObject({ series: { length: 16 } });
  expect(sourceOf(few[1]?.panels[0])).not.toHaveProperty('agg');
});

test('disks are lines of one chart, whatever their paths are', () => {
  const names = ['disk./.usagePercent', 'disk./data.v2/$&.usagePercent'];
  const [disk] = groupsOf([host({ metrics: names.map(percent) })]);
  expect(disk?.panels.map(({ lines }) => lines?.map(({ title }) => title))).toEqual([['/', '/data.v2/$&']]);
});

test('what is not known has a chart all the same', () => {
  const devices = [gpu(0, plain('gpu.0.flux'))];
  const groups = groupsOf([host({ metrics: [plain('tpu.0.load')], devices })]);
  expect(groups.at(-1)).toMatchObject({
    name: 'Other',
    panels: [{ key: 'tpu.0.load', title: 'tpu.0.load' }],
  });
  expect(groups[0]?.cards[0]?.more).toMatchObject([{ key: 'gpu.0.flux', title: 'flux' }]);
});

test('of what the processes use of a GPU only their memory is told apart', () => {
  const more = [percent('gpu.process.0.gpu'), plain('gpu.process.0.memoryAllocatedBytes', 'B')];
  const [group] = groupsOf([host({ devices: [gpu(0, ...more)] })]);
  expect(group?.cards[0]?.more).toMatchObject([
    { title: 'Memory in use', lines: [{ name: 'gpu.process.0.memoryAllocatedBytes', title: 'this run' }] },
  ]);
});

test('several writers share the charts', () => {
  const hosts = ['rank0', 'rank1'].map((label, i) =>
    host({ label, metrics: [percent('cpu')], devices: [gpu(0), ...(i ? [gpu(1)] : [])] }),
  );
  const groups = groupsOf(hosts);
  expect(groups[0]?.cards.map(({ id }) => id)).toEqual(['gpu.0', 'gpu.1']);
  expect(groups[1]?.panels).toHaveLength(1);
});
