export default function Page () {
  return <p>The token of whoever is signed in: <code>GET /token</code></p>
}
