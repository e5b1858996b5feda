import { expect, test } from 'vitest';
import { commandLine, quote, reproduceLines, type Reproducible } from './shell';

test('what a shell would read otherwise is quoted', () => {
  expect(commandLine(['python', 'train.py', '--lr=1e-3', 'a/b.yaml'])).toBe(
    'python train.py --lr=1e-3 a/b.yaml',
  );
  expect(quote('')).toBe("''");
  expect(quote('a b')).toBe("'a b'");
  expect(quote("it's $HOME `x`")).toBe(`'it'"'"'s $HOME \`x\`'`);
  expect(quote('***')).toBe("'***'");
  expect(quote('~/x')).toBe("'~/x'");
  expect(quote('ü')).toBe("'ü'");
});

test('a terminal is sent nothing that it acts on', () => {
  expect(quote('a\nrm -rf')).toBe("$'a\\x0arm -rf'");
  expect(quote("\u001b[201~ü'\\")).toBe("$'\\x1b[201~\\xc3\\xbc\\'\\\\'");
});

const facts: Reproducible = {
  remote: 'https://***@github.com/example/llm-pretrain.git',
  commit: '9f2c1e0b7d8a4c6e5f3a2b1c0d9e8f7a6b5c4d3e',
  top: '/home/maria/llm',
  folder: '/home/maria/llm/my experiments',
  command: ['python', 'train.py', '--note', 'x y'],
  upstream: null,
  hasPatch: true,
  dirty: true,
  hasProgram: true,
  hasSubmodules: false,
  reason: null,
  hasRequirements: true,
  codeOf: null,
  program: { path: '/home/maria/llm/my experiments/train.py', saved: 'code/train.py' },
  session: null,
};

test('a run is had again from its commit, its patch and its packages', () => {
  expect(reproduceLines(facts)).toEqual([
    'git clone https://github.com/example/llm-pretrain.git && cd llm-pretrain',
    'git checkout 9f2c1e0b7d8a4c6e5f3a2b1c0d9e8f7a6b5c4d3e',
    'git apply diff.patch',
    'pip install -r requirements.txt',
    "cd 'my experiments'",
    "python train.py --note 'x y'",
  ]);
  expect(reproduceLines({ ...facts, remote: 'git@host:team/repo.git' })[0]).toBe(
    'git clone git@host:team/repo.git && cd repo',
  );
});

test.each([
  ['ssh://git@host/x.git', 'git clone ssh://git@host/x.git && cd x'],
  ['https://host/y.git?access_token=***', 'git clone https://host/y.git && cd y'],
  ['https://host/y.git?access_token=***&a=1', "git clone 'https://host/y.git?a=1' y && cd y"],
  ['https://host/a&b.git?t=***&s=***', "git clone 'https://host/a&b.git' && cd 'a&b'"],
  ['https://host/y.git?a=1&token=***#z', "git clone 'https://host/y.git?a=1#z' y && cd y"],
  ['/mnt/is it?/y.git', "git clone '/mnt/is it?/y.git' && cd y"],
])('%s is cloned into what its path says', (remote, line) => {
  expect(reproduceLines({ ...facts, remote })[0]).toBe(line);
});

test('what is not known is left out', () => {
  const none = { remote: null, commit: null, hasPatch: false, hasRequirements: false };
  expect(reproduceLines({ ...facts, ...none })).toEqual(["python train.py --note 'x y'"]);
  expect(reproduceLines({ ...facts, ...none, command: null })).toEqual([]);
});

test('without a commit the saved code is fetched', () => {
  const saved = { ...facts, codeOf: 'local/my project/a"1' };
  expect(reproduceLines(saved)).toEqual(reproduceLines(facts));
  expect(reproduceLines({ ...saved, remote: null, commit: null, hasPatch: false })).toEqual([
    "python -c 'import steplog; [file.download(replace=True) for file in " +
      'steplog.Api().run("local/my project/a\\"1").files() if file.name.startswith("code/")]\'',
    'pip install -r requirements.txt',
    'cd code',
    "python train.py --note 'x y'",
  ]);
});

test('an address or a commit is not taken for an option', () => {
  const lines = reproduceLines({ ...facts, remote: '--upload-pack=evil', commit: '--force; rm' });
  expect(lines[0]).toBe('git clone -- --upload-pack=evil');
  expect(lines).not.toContainEqual(expect.stringContaining('git checkout'));
});

test('a commit that was not pushed is had from the one that was', () => {
  const upstream = 'd5d518c0d5d518c0d5d518c0d5d518c0d5d518c0';
  const lines = reproduceLines({ ...facts, upstream });
  expect(lines.filter((line) => line.startsWith('git ') && !line.startsWith('git clone'))).toEqual([
    `git checkout ${upstream}`,
    `git apply diff_${upstream}.patch`,
  ]);
});

const saved = { ...facts, codeOf: 'local/p/r' };
const fetchSaved =
  'python -c \'import steplog; [file.download("saved", replace=True) for file in ' +
  'steplog.Api().run("local/p/r").files() if file.name.startswith("code/")]\'';
const put = (...lines: string[]) => [
  ...reproduceLines(facts).slice(0, -1),
  fetchSaved,
  ...lines,
  "python train.py --note 'x y'",
];

test('a program that Git does not track is put where it was', () => {
  const lines = put('cp saved/code/train.py train.py');
  expect(reproduceLines({ ...saved, hasProgram: false })).toEqual(lines);
  expect(reproduceLines({ ...facts, hasProgram: false })).toEqual(reproduceLines(facts));
  const deep = { path: '/home/maria/llm/my experiments/a b/train.py', saved: 'code/a b/train.py' };
  const command = ['python', '-u', 'a b/train.py'];
  expect(reproduceLines({ ...saved, hasProgram: false, program: deep, command }).slice(-4)).toEqual([
    fetchSaved,
    "mkdir -p 'a b'",
    "cp 'saved/code/a b/train.py' 'a b/train.py'",
    "python -u 'a b/train.py'",
  ]);
});

test.each(['/opt/tools/train.py', '../../../../opt/tools/train.py'])(
  'a program outside of the repository, called as %s, is called where it is put',
  (word) => {
    const outside = {
      ...saved,
      program: { path: '/opt/tools/train.py', saved: 'code/train.py' },
      command: ['python', word, word],
    };
    expect(reproduceLines({ ...outside, hasProgram: false }).slice(-2)).toEqual([
      'cp saved/code/train.py train.py',
      `python train.py ${word}`,
    ]);
    const alone = { remote: null, commit: null, hasPatch: false };
    expect(reproduceLines({ ...outside, ...alone }).slice(-2)).toEqual([
      'cd code',
      `python train.py ${word}`,
    ]);
  },
);

test('without a patch the saved program is taken', () => {
  const missing = { ...saved, hasPatch: false };
  const lines = put('cp saved/code/train.py train.py').filter((line) => line !== 'git apply diff.patch');
  expect(reproduceLines(missing)).toEqual(lines);
  expect(reproduceLines({ ...missing, dirty: null, reason: 'git status took too long' })).toEqual(lines);
  for (const known of [{ dirty: false }, { dirty: null }]) {
    expect(reproduceLines({ ...missing, ...known })).not.toContain(fetchSaved);
  }
});

test('repositories in the repository are there before it is patched', () => {
  expect(reproduceLines({ ...facts, hasSubmodules: true }).slice(1, 4)).toEqual([
    'git checkout 9f2c1e0b7d8a4c6e5f3a2b1c0d9e8f7a6b5c4d3e',
    'git submodule update --init --recursive',
    'git apply diff.patch',
  ]);
});

test('a notebook is executed: the command of its kernel would run nothing', () => {
  const command = ['python', '-m', 'ipykernel_launcher', '-f', '/tmp/kernel.json'];
  const program = { path: '/home/maria/llm/my experiments/study.ipynb', saved: 'code/study.ipynb' };
  const lines = reproduceLines({ ...facts, command, program });
  expect(lines.at(-1)).toBe('jupyter execute study.ipynb');
  const unknown = reproduceLines({ ...facts, command, program: { path: null, saved: null } });
  expect(unknown.at(-1)).toBe('pip install -r requirements.txt');
  const cells = { ...facts, command, commit: null, codeOf: 'a/b/c', session: 'code/_session.ipynb' };
  const alone = reproduceLines({ ...cells, program: { path: null, saved: null } });
  expect(alone.slice(-2)).toEqual(['cd code', 'jupyter execute _session.ipynb']);
});
