// Content: messages as the protocol has them, and as we have them.
//
//   C1. An agent is sent only what it says it takes. What it does not take is told in words, so nobody believes that it saw it.
//   C2. Files that an agent sends become file parts; large ones leave the log by themselves.
import { Buffer } from 'node:buffer';
import type { ContentBlock, PromptCapabilities } from '@agentclientprotocol/sdk';
import type { FilePart, Input, InputPart } from '../../wire/message.ts';

export function toBlocks(inputs: readonly Input[], takes: PromptCapabilities): ContentBlock[] {
  return inputs.flatMap(({ parts }) => parts.map((part) => toBlock(part, takes)));
}

/** C1. */
function toBlock(part: InputPart, takes: PromptCapabilities): ContentBlock {
  if (part.type === 'text') return { type: 'text', text: part.text };
  const { mediaType, data, url } = part;
  const name = part.name ?? mediaType;
  if (url !== undefined) return { type: 'resource_link', uri: url, name, mimeType: mediaType };
  if (data === undefined) return { type: 'text', text: `[The file ${name} is not there any more.]` };
  if (takes.image === true && mediaType.startsWith('image/'))
    return { type: 'image', data, mimeType: mediaType };
  if (takes.audio === true && mediaType.startsWith('audio/'))
    return { type: 'audio', data, mimeType: mediaType };
  const uri = `attachment:///${encodeURIComponent(name)}`;
  const isText = /^text\/|[/+](json|xml|yaml|javascript|typescript)$/.test(mediaType.split(';')[0] ?? '');
  const text = isText ? Buffer.from(data, 'base64').toString('utf8') : '';
  if (takes.embeddedContext === true) {
    const content = isText ? { text } : { blob: data };
    return { type: 'resource', resource: { uri, mimeType: mediaType, ...content } };
  }
  if (isText) return { type: 'text', text: `${name}:\n${text}` };
  const bytes = Buffer.byteLength(data, 'base64');
  return {
    type: 'text',
    text: `[A file of ${bytes} bytes, ${name} (${mediaType}), came with this message. This agent takes no such files.]`,
  };
}

/** C2. Undefined for what is no file. */
export function toFile(content: ContentBlock): FilePart | undefined {
  switch (content.type) {
    case 'image':
    case 'audio':
      return { type: 'file', mediaType: String(content.mimeType), data: String(content.data) };
    case 'resource_link':
      return {
        type: 'file',
        mediaType: content.mimeType ?? 'application/octet-stream',
        name: String(content.name),
        url: String(content.uri),
      };
    case 'resource': {
      const { resource } = content;
      const { uri, mimeType } = resource;
      const isText = 'text' in resource;
      const data = isText ? Buffer.from(String(resource.text)).toString('base64') : String(resource.blob);
      const type = isText ? 'text/plain' : 'application/octet-stream';
      return { type: 'file', mediaType: mimeType ?? type, name: String(uri), data };
    }
    default:
      return undefined;
  }
}

/** For people, and where only text fits. */
export function textOf(content: ContentBlock): string {
  if (content.type === 'text') return String(content.text);
  if (content.type === 'resource' && 'text' in content.resource) return String(content.resource.text);
  const file = toFile(content);
  return file === undefined ? '' : `[${file.name ?? file.mediaType}]`;
}
