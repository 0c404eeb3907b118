// Result: what an MCP tool answered, as parts of a message.
import type { CallToolResult } from '@modelcontextprotocol/client';
import type { Part } from '../../wire/message.ts';
import type { ToolResult } from '../tool.ts';

type Content = CallToolResult['content'][number];

export function resultOf({ content, structuredContent, isError }: CallToolResult): ToolResult {
  return {
    parts: content.map(partOf),
    isError: isError === true,
    ...(structuredContent === undefined ? {} : { structured: structuredContent }),
  };
}

function partOf(content: Content): Part {
  switch (content.type) {
    case 'text':
      return { type: 'text', text: content.text };
    case 'image':
    case 'audio':
      return { type: 'file', mediaType: content.mimeType, data: content.data };
    case 'resource_link':
      return {
        type: 'file',
        mediaType: content.mimeType ?? 'application/octet-stream',
        name: content.name,
        url: content.uri,
      };
    case 'resource': {
      const { resource } = content;
      if ('text' in resource) return { type: 'text', text: resource.text };
      return {
        type: 'file',
        mediaType: resource.mimeType ?? 'application/octet-stream',
        name: resource.uri,
        data: resource.blob,
      };
    }
  }
}
