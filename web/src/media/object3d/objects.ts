/** What the file of a 3-D object holds, by its suffix. */
import { Group, Mesh, MeshStandardMaterial, type Object3D } from 'three';
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js';
import { OBJLoader } from 'three/addons/loaders/OBJLoader.js';
import { STLLoader } from 'three/addons/loaders/STLLoader.js';
import type { Cloud } from './points';
import { cloudObject, plainMesh } from './scene';

export interface Loaded {
  object: Object3D;
  up: 'y' | 'z';
  /** What there is of it. */
  text: string;
}

function cloudAside(bytes: ArrayBuffer, signal: AbortSignal): Promise<Cloud> {
  const worker = new Worker(new URL('./points.worker.ts', import.meta.url), { type: 'module' });
  signal.addEventListener('abort', () => worker.terminate());
  return new Promise<Cloud>((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<{ cloud?: Cloud; error?: string }>) => {
      if (data.cloud) resolve(data.cloud);
      else reject(new Error(data.error));
    };
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(bytes, [bytes]);
  }).finally(() => worker.terminate());
}

/** The number of triangles, for what is said of it. */
function trianglesOf(object: Object3D): number {
  let count = 0;
  object.traverse((one) => {
    if (!(one instanceof Mesh)) return;
    const { index, attributes } = one.geometry as Mesh['geometry'];
    count += (index?.count ?? attributes['position']?.count ?? 0) / 3;
  });
  return Math.round(count);
}

const mesh = (object: Object3D, up: 'y' | 'z'): Loaded => ({
  object,
  up,
  text: `${trianglesOf(object).toLocaleString('en-US')} triangles`,
});

/** @throws Error when it is of no kind that can be shown, or broken. */
export async function objectOf(path: string, bytes: ArrayBuffer, signal: AbortSignal): Promise<Loaded> {
  const suffix = /\.pts\.json$/i.test(path) ? 'pts' : (path.split('.').at(-1) ?? '').toLowerCase();
  if (suffix === 'pts') {
    const cloud = await cloudAside(bytes, signal);
    const text = `${(cloud.places.length / 3).toLocaleString('en-US')} points`;
    return { object: cloudObject(cloud), up: 'z', text };
  }
  if (suffix === 'stl') return mesh(plainMesh(new STLLoader().parse(bytes)), 'z');
  if (suffix === 'obj') {
    const group = new OBJLoader().parse(new TextDecoder().decode(bytes));
    group.traverse((one) => {
      if (one instanceof Mesh)
        one.material = new MeshStandardMaterial({ color: 0x9aa7bd, roughness: 0.75, side: 2 });
    });
    return mesh(group, 'y');
  }
  if (suffix === 'glb' || suffix === 'gltf') {
    // What it needs has to be in it: an address beside it leads nowhere.
    const { scene } = await new GLTFLoader().parseAsync(bytes, '');
    return mesh(new Group().add(scene), 'y');
  }
  throw new Error(`Objects of the kind ${suffix} cannot be shown; the download has it.`);
}
