/** What a sound looks like: the range of its samples over time, and the strength of its frequencies. */

/** The lowest and highest sample of each of equal parts, one after another. */
export function peaksOf(samples: Float32Array, parts: number): Float32Array {
  const peaks = new Float32Array(parts * 2);
  for (let part = 0; part < parts; part++) {
    const from = Math.floor((part * samples.length) / parts);
    const to = Math.max(from + 1, Math.floor(((part + 1) * samples.length) / parts));
    let [low, high] = [Infinity, -Infinity];
    for (let i = from; i < to && i < samples.length; i++) {
      const sample = samples[i] as number;
      if (sample < low) low = sample;
      if (sample > high) high = sample;
    }
    peaks[part * 2] = low === Infinity ? 0 : low;
    peaks[part * 2 + 1] = high === -Infinity ? 0 : high;
  }
  return peaks;
}

/** Samples of one spectrum: frequencies are told apart by their rate over this. */
const WINDOW = 1024;
/** What is weaker than the strongest by this is black. */
const RANGE_DB = 80;

/** Of each of `columns` places in time the strengths, from 0 to 1, of `WINDOW / 2` frequencies from 0 on. */
export function spectraOf(samples: Float32Array, columns: number): { rows: number; shares: Float32Array } {
  const rows = WINDOW / 2;
  const power = new Float32Array(columns * rows);
  const [real, imaginary] = [new Float64Array(WINDOW), new Float64Array(WINDOW)];
  let most = 1e-12;
  for (let column = 0; column < columns; column++) {
    const middle = Math.floor(((column + 0.5) * samples.length) / columns);
    for (let i = 0; i < WINDOW; i++) {
      const hann = 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW);
      real[i] = (samples[middle - WINDOW / 2 + i] ?? 0) * hann;
    }
    imaginary.fill(0);
    transform(real, imaginary);
    for (let row = 0; row < rows; row++) {
      const strength = (real[row] as number) ** 2 + (imaginary[row] as number) ** 2;
      power[column * rows + row] = strength;
      if (strength > most) most = strength;
    }
  }
  return {
    rows,
    shares: power.map((one) => Math.max(0, 1 + (10 * Math.log10(one / most + 1e-30)) / RANGE_DB)),
  };
}

/** The discrete Fourier transform in place; as many values as a power of two. */
export function transform(real: Float64Array, imaginary: Float64Array): void {
  const n = real.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j] as number, real[i] as number];
      [imaginary[i], imaginary[j]] = [imaginary[j] as number, imaginary[i] as number];
    }
  }
  for (let length = 2; length <= n; length <<= 1) {
    const angle = (-2 * Math.PI) / length;
    for (let start = 0; start < n; start += length)
      for (let k = 0; k < length / 2; k++) {
        const [a, b] = [start + k, start + k + length / 2];
        const [cos, sin] = [Math.cos(angle * k), Math.sin(angle * k)];
        const [x, y] = [real[b] as number, imaginary[b] as number];
        const [re, im] = [x * cos - y * sin, x * sin + y * cos];
        [real[b], imaginary[b]] = [(real[a] as number) - re, (imaginary[a] as number) - im];
        [real[a], imaginary[a]] = [(real[a] as number) + re, (imaginary[a] as number) + im];
      }
  }
}
