import { expect, test } from 'vitest';
import { commandOf, gitOf, gpuLines, hostFacts, packagesOf, parseMetadata, part } from './metadata';

test('whatever the file holds, nothing breaks', () => {
  for (const text of ['', '[]', 'null', '3', '{']) expect(parseMetadata(text)).toBe(null);
  const odd = {
    host: {},
    cpu: [],
    memory: 'much',
    disk: { '/': 7 },
    gpu_nvidia: [3, null],
    git: 'no',
    slurm: [],
  };
  expect(hostFacts(odd).map(({ name }) => name)).toEqual(['GPU']);
  expect(gitOf(odd)).toBe(null);
  expect(part(odd, 'slurm')).toBe(null);
  expect(commandOf({ command: ['python', 3] })).toBe(null);
});

test('GPUs of one model are one line', () => {
  const gpu = { name: 'H100', memoryTotal: 80 * 2 ** 30 };
  expect(gpuLines({ gpu_nvidia: [gpu, gpu, { name: 'T4' }] })).toEqual(['2 × H100, 80 GiB', 'T4']);
  expect(gpuLines({ gpu: 'A10', gpu_count: 4 })).toEqual(['4 × A10']);
  expect(gpuLines({})).toEqual([]);
});

test('git says how many files it did not name', () => {
  expect(
    gitOf({ git: { commit: 'abc', dirty: true, untracked: ['a'], untracked_count: 120 } }),
  ).toMatchObject({
    commit: 'abc',
    dirty: true,
    untracked: ['a'],
    untrackedCount: 120,
    reason: null,
  });
});

test('packages are names with their versions, or where they came from', () => {
  const text =
    'numpy==2.1.0\n-e /home/x/llm-pretrain\n-e git+https://x/me/pkg.git@abc#egg=my_pkg&subdirectory=py\n' +
    'flash @ https://x/y.whl\n\n# no\nodd line\n__proto__==1\n';
  expect(Object.entries(packagesOf(text))).toEqual([
    ['numpy', '2.1.0'],
    ['llm-pretrain', '-e /home/x/llm-pretrain'],
    ['my_pkg', '-e git+https://x/me/pkg.git@abc#egg=my_pkg&subdirectory=py'],
    ['flash', 'https://x/y.whl'],
    ['odd line', ''],
    ['__proto__', '1'],
  ]);
});
