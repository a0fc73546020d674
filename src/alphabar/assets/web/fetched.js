/** A file of the page as bytes, with progress. */

/**
 * @param {string} name relative to the page
 * @param {(loaded: number, total: number) => void} [told] called as it arrives; total is 0 if it is not known
 * @returns {Promise<Uint8Array>}
 */
export async function fetched(name, told = () => {}) {
  const reply = await fetch(new URL(name, import.meta.url)).catch(() => null);
  if (!reply?.ok) {
    throw new Error(`The file ${name} was not found on this server (${reply?.status ?? 'no answer'}); export the page again.`);
  }
  const total = reply.headers.has('content-encoding') ? 0 : Number(reply.headers.get('content-length') ?? 0);
  const parts = [];
  let loaded = 0;
  for (const reader = reply.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
    told((loaded += value.length), total);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
