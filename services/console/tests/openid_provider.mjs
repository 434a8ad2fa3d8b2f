// A certified OpenID provider (npm: oidc-provider) on a loopback port, for tests.
// Usage: node openid_provider.mjs MODULES PORT REDIRECT_URI; then it prints "ready".
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, port, redirectUri] = process.argv.slice(2);
const entry = createRequire(`${modules}/package.json`).resolve("oidc-provider");
const { default: Provider } = await import(pathToFileURL(entry));

const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id: "varco", client_secret: "a-secret-of-the-test", redirect_uris: [redirectUri] }],
  claims: { email: ["email", "email_verified"], profile: ["preferred_username"] },
  conformIdTokenClaims: false, // the ID token has the claims, as those of most organisations do
  pkce: { required: () => true },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: id, email_verified: !id.startsWith("unverified"), preferred_username: id }),
  }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
