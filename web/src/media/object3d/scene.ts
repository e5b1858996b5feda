/** A 3-D object on a canvas, turned by the pointer; drawn when something changes, freed when it is closed. */
import {
  AmbientLight,
  Box3,
  BufferAttribute,
  BufferGeometry,
  CanvasTexture,
  Color,
  DirectionalLight,
  Group,
  LineBasicMaterial,
  LineSegments,
  Mesh,
  MeshStandardMaterial,
  type Object3D,
  PerspectiveCamera,
  Points,
  PointsMaterial,
  Scene,
  Sprite,
  SpriteMaterial,
  SRGBColorSpace,
  Vector3,
  WebGLRenderer,
} from 'three';
import { OrbitControls } from 'three/addons/controls/OrbitControls.js';
import type { Cloud, Label, Segments } from './points';

function linesOf({ ends, colors }: Segments): LineSegments {
  const geometry = new BufferGeometry();
  geometry.setAttribute('position', new BufferAttribute(ends, 3));
  geometry.setAttribute('color', new BufferAttribute(colors, 3, true));
  return new LineSegments(geometry, new LineBasicMaterial({ vertexColors: true }));
}

function labelOf({ text, at }: Label, height: number): Sprite {
  const canvas = document.createElement('canvas');
  const ctx = canvas.getContext('2d') as CanvasRenderingContext2D;
  const font = '600 40px "Inter Variable", system-ui, sans-serif';
  ctx.font = font;
  [canvas.width, canvas.height] = [Math.ceil(ctx.measureText(text).width) + 24, 56];
  ctx.fillStyle = 'rgb(8 10 14 / 0.7)';
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  ctx.font = font;
  ctx.fillStyle = '#fff';
  ctx.textBaseline = 'middle';
  ctx.fillText(text, 12, 30);
  const texture = new CanvasTexture(canvas);
  texture.colorSpace = SRGBColorSpace;
  const sprite = new Sprite(new SpriteMaterial({ map: texture, depthTest: false }));
  sprite.scale.set((height * canvas.width) / canvas.height, height, 1);
  sprite.position.set(...at);
  return sprite;
}

/** More labels than these hide what they belong to. */
const MOST_LABELS = 200;

/** Points with their boxes, vectors and labels. */
export function cloudObject({ places, colors, boxes, vectors, labels }: Cloud): Object3D {
  const geometry = new BufferGeometry();
  geometry.setAttribute('position', new BufferAttribute(places, 3));
  geometry.setAttribute('color', new BufferAttribute(colors, 3, true));
  const size = places.length > 300_000 ? 1 : 2;
  const material = new PointsMaterial({
    vertexColors: true,
    sizeAttenuation: false,
    size: size * devicePixelRatio,
  });
  const group = new Group();
  group.add(new Points(geometry, material));
  for (const one of [boxes, vectors]) if (one.ends.length > 0) group.add(linesOf(one));
  const extent = new Box3().setFromObject(group).getSize(new Vector3()).length();
  for (const label of labels.slice(0, MOST_LABELS)) group.add(labelOf(label, extent / 28));
  return group;
}

/** A bare shape in a plain material. */
export function plainMesh(geometry: BufferGeometry): Mesh {
  if (!geometry.getAttribute('normal')) geometry.computeVertexNormals();
  return new Mesh(geometry, new MeshStandardMaterial({ color: 0x9aa7bd, roughness: 0.75, side: 2 }));
}

export class Stage {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new PerspectiveCamera(45, 1, 0.01, 1000);
  private readonly controls: OrbitControls;
  private readonly sizes: ResizeObserver;
  private asked = false;

  /** @throws Error when the browser has no WebGL. */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    object: Object3D,
    up: 'y' | 'z',
  ) {
    this.renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true, preserveDrawingBuffer: false });
    this.camera.up.set(0, up === 'y' ? 1 : 0, up === 'z' ? 1 : 0);
    const lamp = new DirectionalLight(0xffffff, 2);
    this.camera.add(lamp);
    this.scene.add(object, new AmbientLight(0xffffff, 1.2), this.camera);
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.addEventListener('change', () => this.draw());
    this.look(object, up);
    this.sizes = new ResizeObserver(() => this.resize());
    this.sizes.observe(canvas);
  }

  /** What is not covered. */
  setBackground(color: string): void {
    this.renderer.setClearColor(new Color(color), 1);
    this.draw();
  }

  /** At the next frame. */
  draw(): void {
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.renderer.render(this.scene, this.camera);
    });
  }

  close(): void {
    this.asked = true;
    this.sizes.disconnect();
    this.controls.dispose();
    this.scene.traverse((one) => {
      if (!(
        one instanceof Mesh ||
        one instanceof Points ||
        one instanceof LineSegments ||
        one instanceof Sprite
      ))
        return;
      one.geometry.dispose();
      for (const material of [one.material].flat()) {
        (material as { map?: CanvasTexture | null }).map?.dispose();
        material.dispose();
      }
    });
    this.renderer.dispose();
    // A browser has few of them.
    this.renderer.forceContextLoss();
  }

  private look(object: Object3D, up: 'y' | 'z'): void {
    const box = new Box3().setFromObject(object);
    const centre = box.getCenter(new Vector3());
    const radius = Math.max(1e-6, box.getSize(new Vector3()).length() / 2);
    const from = up === 'y' ? new Vector3(1, 0.7, 1.4) : new Vector3(1, -1.4, 0.8);
    this.camera.position.copy(centre).addScaledVector(from.normalize(), radius * 2);
    this.camera.near = radius / 500;
    this.camera.far = radius * 50;
    this.controls.target.copy(centre);
    this.controls.update();
  }

  private resize(): void {
    const { clientWidth, clientHeight } = this.canvas;
    if (clientWidth === 0 || clientHeight === 0) return;
    this.renderer.setPixelRatio(devicePixelRatio);
    this.renderer.setSize(clientWidth, clientHeight, false);
    this.camera.aspect = clientWidth / clientHeight;
    this.camera.updateProjectionMatrix();
    this.draw();
  }
}
