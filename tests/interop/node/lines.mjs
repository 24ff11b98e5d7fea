// SPDX-License-Identifier: MIT
// One JSON document per line: events go out on stdout, commands come in on stdin.
import readline from 'node:readline';

export function emit(event) {
    process.stdout.write(JSON.stringify(event) + '\n');
}

// handlers: {op: async function(command)}. The end of stdin is a "close".
export function commands(handlers) {
    const input = readline.createInterface({ input: process.stdin });
    const run = async (command) => {
        try {
            await handlers[command.op](command);
        } catch (error) {
            emit({ event: 'error', text: `${command.op}: ${error.stack || error}` });
        }
    };
    input.on('line', (line) => run(JSON.parse(line)));
    input.on('close', () => run({ op: 'close' }));
}

process.on('unhandledRejection', (error) => {
    emit({ event: 'error', text: `unhandled: ${error?.stack || error}` });
    process.exit(1);
});
