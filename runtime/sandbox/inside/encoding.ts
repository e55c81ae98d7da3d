// TextEncoder, TextDecoder and URL of this realm, which wrap the host's classes. The shared bundle imports this file
// first, because the payload codec needs an encoder while it is evaluated.
import type { HostHooks } from '../../activator/entry.ts';
import { adoptError, host } from './host-realm.ts';

class TextEncoder {
  readonly #host = new host.TextEncoder();

  get encoding(): string {
    return 'utf-8';
  }

  encode(text = ''): Uint8Array {
    return new Uint8Array(this.#host.encode(text));
  }

  encodeInto(text: string, bytes: Uint8Array): { read: number; written: number } {
    const { read, written } = this.#host.encodeInto(text, bytes);
    return { read, written };
  }
}

class TextDecoder {
  readonly #host: InstanceType<typeof host.TextDecoder>;

  constructor(label = 'utf-8', options: { fatal?: boolean; ignoreBOM?: boolean } = {}) {
    this.#host = orAdopt(() => new host.TextDecoder(label, options));
  }

  get encoding(): string {
    return this.#host.encoding;
  }

  get fatal(): boolean {
    return this.#host.fatal;
  }

  get ignoreBOM(): boolean {
    return this.#host.ignoreBOM;
  }

  decode(
    bytes?: Parameters<InstanceType<typeof host.TextDecoder>['decode']>[0],
    options?: { stream?: boolean },
  ): string {
    return orAdopt(() => this.#host.decode(bytes, options));
  }
}

class URL extends host.URL {
  constructor(url: string | globalThis.URL, base?: string | globalThis.URL) {
    try {
      super(url, base);
    } catch (error) {
      throw adoptError(error);
    }
  }

  static override parse(url: string, base?: string): URL | null {
    return URL.canParse(url, base) ? new URL(url, base) : null;
  }
}

function orAdopt<T>(callHost: () => T): T {
  try {
    return callHost();
  } catch (error) {
    throw adoptError(error);
  }
}

export const encodingGlobals: Pick<HostHooks, 'TextEncoder' | 'TextDecoder' | 'URLSearchParams'> & {
  readonly URL: typeof globalThis.URL;
} = { TextEncoder, TextDecoder, URL, URLSearchParams: host.URLSearchParams };

Object.assign(globalThis, encodingGlobals);
