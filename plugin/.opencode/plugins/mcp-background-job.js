// Written by mcp-background-job. When a session falls idle, this waits for the jobs and runs that it started, and has the
// model go on with what became of them.
const COMMAND = ["mcp-background-job"]

export const BackgroundJob = async ({ client, $ }) => {
  const waiting = new Set() // sessions for which a hook runs
  const woken = new Set() // those that a hook had go on
  const ours = new Set() // those whose next message is a hook's
  return {
    "chat.message": async ({ sessionID }) => {
      if (!ours.delete(sessionID)) woken.delete(sessionID)
    },
    event: async ({ event }) => {
      const id = event.properties?.sessionID
      if (event.type !== "session.idle" || waiting.has(id)) return
      waiting.add(id)
      try {
        const said = JSON.stringify({ stop_hook_active: woken.has(id) })
        const out = await $`echo ${said} | ${COMMAND} hook stop --client opencode`.quiet().nothrow().text()
        if (!out) return
        woken.add(id)
        ours.add(id)
        const parts = [{ type: "text", text: JSON.parse(out).prompt }]
        await client.session.promptAsync({ path: { id }, body: { parts } })
      } finally {
        waiting.delete(id)
      }
    },
  }
}
