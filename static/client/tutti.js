// Generated from static/client/src by `npm run client`: do not edit.
var ne=new TextEncoder,we=new TextDecoder,T=o=>JSON.stringify(o).replace(/\\(?:\\|ud[89a-f][0-9a-f]{2})/g,e=>e==="\\\\"?e:"\\ufffd"),E=o=>ne.encode(o).length;function ie(o,e){
let t=ne.encode(o),s=[],n=t.length;for(;n>127;n>>>=7)s.push(n&127|128);s.push(n);let i=new Uint8Array(s.length+t.length+e.length);return i.set(s),i.set(t,s.length),
i.set(e,s.length+t.length),i}function x(o,e){let t=0;for(let s=0;;s+=7){let n=o[e++];if(t|=(n&127)<<s,!(n&128))break}return[we.decode(o.subarray(e,e+t)),e+t]}var L=o=>Uint8Array.
from(atob(o),e=>e.charCodeAt(0)),oe=()=>Array.from(crypto.getRandomValues(new Uint8Array(12)),o=>o.toString(16).padStart(2,"0")).join("");var u=class extends Error{name="TuttiError";code;temporary;retryAfterMs;room;constructor(e,t,{temporary:s=!1,retryAfterMs:n,room:i}={}){super(t),this.code=e,this.
temporary=s,this.retryAfterMs=n,this.room=i}},k=({code:o,message:e,temporary:t,retryAfterMs:s,room:n})=>new u(o,e,{temporary:t,retryAfterMs:s,room:n}),M=o=>o instanceof
Error?o.message:String(o);var re=new Map([[1001,"the server restarts"],[1002,"a frame was against the WebSocket protocol"],[1006,"the connection was lost"],[1007,"a text was not UTF-8"],
[1009,"a message was too large"],[1011,"the server had a fault"],[1013,"the server asks to try later"],[4401,"the token is not valid"],[4403,"the token does not\
 allow this"],[4413,"something was too large"],[4422,"a message could not be read"],[4500,"this client read its messages too slowly"],[4501,"the heartbeat was l\
ost"],[4502,"this client sent too much"],[4504,"the token expired"]]),B=o=>o>=4400&&o<4500,ae=new Set(["auth","chat","direct","edit","presence","room","server",
"token","typing","user"]),ce=new Set(["saved","done","edit.rejected","error"]);var Se=5e3,C=class{binaryType="arraybuffer";bufferedAmount=0;onmessage=null;onclose=null;onerror=null;#s;#o;#e=new AbortController;#t="";#n=[];#i=!1;#a=!1;constructor(e,t){
this.#s=e,this.#o=t,this.#r().catch(()=>this.#h(1006,""))}send(e){this.bufferedAmount+=q(e),this.#n.push(e),this.#u()}close(e){if(this.onmessage=this.onclose=null,
this.#a=!0,e!==1e3||!this.#t)return this.#e.abort();setTimeout(()=>this.#e.abort(),Se),this.#u()}async#r(){let e=await this.#p("GET","");if(!e.ok||!e.body){let{
error:n}=await e.json().catch(()=>({}));return this.#h(e.status===401?4401:1006,n?.message??"")}let t=e.body.pipeThrough(new TextDecoderStream).getReader(),s="";
for(let{value:n,done:i}=await t.read();!i;{value:n,done:i}=await t.read()){let a=(s+n).split(`

`);s=a.pop(),a.forEach(r=>this.#f(r))}this.#h(1006,"")}#f(e){let t="",s=[];for(let i of e.split(`
`))i.startsWith("event: ")?t=i.slice(7):i.startsWith("data: ")&&s.push(i.slice(6));let n=s.join(`
`);if(t==="close"){let{code:i,reason:a}=JSON.parse(n);return this.#h(i,a)}t==="welcome"&&(this.#t=JSON.parse(n).clientId),n&&this.onmessage?.({data:t==="binary"?
L(n).buffer:n}),this.#u()}async#u(){if(!(this.#i||!this.#t)){this.#i=!0;try{for(;this.#n.length>0&&!this.#e.signal.aborted;)await this.#c(this.#l());this.#a&&await this.#p(
"DELETE",`/${this.#t}`).finally(()=>this.#e.abort())}catch{this.#h(1006,"")}this.#i=!1}}async#c(e){let{status:t}=await this.#p("POST",`/${this.#t}`,e);if(t===503||
t===429)return await new Promise(s=>setTimeout(s,1e3)),this.#e.signal.aborted?void 0:this.#c(e);t>=400?this.#h(t===401?4401:1006,""):this.bufferedAmount-=q(e)}#l(){
let e=this.#n.shift(),t=[e],s=q(e);for(;he(e)&&t.length<256&&he(this.#n[0])&&(s+=q(this.#n[0])+1,!(s+2>1048576));)t.push(this.#n.shift());return t.length===1?e:
(this.bufferedAmount+=t.length+1,`[${t.join(",")}]`)}#p(e,t,s){let n={authorization:`Bearer ${this.#o()}`};s!==void 0&&(n["content-type"]=typeof s=="string"?"ap\
plication/json":"application/octet-stream");let{signal:i}=this.#e;return fetch(this.#s+t,{method:e,headers:n,body:s,signal:i,cache:"no-store"})}#h(e,t){this.#e.
abort(),this.onclose?.({code:e,reason:t}),this.onclose=null}},q=o=>typeof o=="string"?E(o):o.length,he=o=>typeof o=="string"&&o.startsWith("{");var l=class{#s;get isSet(){return this.#s!==void 0}set(e,t){this.clear(),this.#s=setTimeout(()=>{this.#s=void 0,e()},t)}clear(){clearTimeout(this.#s),this.#s=void 0}};var Ae=500,Te=2e4,Ee=1e4,J=15e3,ke=25e3,Me=1e4,Re=3e3,Oe=800,xe=2,ue=2e3,_e=6e5,F=class{state={state:"idle"};clientId;token;#s;#o;#e;#t;#n;#i="";#a=!1;#r=0;#f=0;#u=!1;#c="\
websocket";#l=!1;#p=new l;#h=ue;#m;#y=0;#d=0;#S=ke;#g=new l;#v=[];#b=0;constructor(e,t,s){this.#s=e,this.#o=t,this.#e=s}get isOnline(){return this.state.state===
"online"}get bufferedBytes(){return this.#b+(this.#n?.bufferedAmount??0)}open(){["idle","closed"].includes(this.state.state)&&(globalThis.addEventListener?.("on\
line",this.#R),globalThis.addEventListener?.("offline",this.#L),globalThis.document?.addEventListener("visibilitychange",this.#R),this.#r=0,this.#a=!1,this.#w())}end(e,t){
this.state.state!=="closed"&&(this.#P(),this.#_(1e3),globalThis.removeEventListener?.("online",this.#R),globalThis.removeEventListener?.("offline",this.#L),globalThis.
document?.removeEventListener("visibilitychange",this.#R),this.#E({state:"closed",code:e,reason:t}))}write(e,t=E(e)){this.#v.length===0&&queueMicrotask(()=>this.#P()),
this.#v.push({text:e,bytes:t}),this.#b+=t+1}writeBytes(e){this.#P(),this.#n?.send(e),this.#e.frame({direction:"sent",text:"",bytes:e.length})}authenticate(e){this.
token=e,this.write(T({type:"authenticate",token:e}))}async currentToken(){return this.token??this.#x()}async#w(){let e=this.#t={};this.#i="",this.#g.set(()=>this.#k(
0,`no connection within ${J/1e3} s`),J),this.#E({state:"connecting"});let t;try{t=await this.#x()}catch(i){e===this.#t&&this.#k(0,`no token: ${M(i)}`);return}if(e!==
this.#t)return;if(!t)return this.end(4401,"there is no token");this.token=t;let s=this.#f>=xe&&!this.#u;this.#c=s?"stream":"websocket",this.#l=!1;let n;try{n=s?
new C(this.#A,()=>this.token):this.#T()}catch(i){return this.end(0,M(i))}n.binaryType="arraybuffer",n.onmessage=({data:i})=>{e===this.#t&&this.#C(i,e)},n.onclose=
({code:i,reason:a})=>{e===this.#t&&this.#B(i,a)},n.onerror=()=>{},this.#n=n}#T(){return new this.#o.WebSocket(this.#s,["tutti.v1",`auth.${this.token}`])}get#A(){
let e=new URL("api/v1/events",this.#s);return e.protocol=e.protocol.replace("ws","http"),e.href}#O(e){this.#l||!this.#n||![0,1006].includes(e)||(this.#u=this.#c===
"stream",this.#c==="websocket"&&(this.#f+=1))}#I(){let e=this.#h*(.5+Math.random()/2);this.#h=Math.min(2*this.#h,_e),this.#p.set(()=>{let t=this.#m=this.#T(),s=setTimeout(
()=>t.close(),J);t.onerror=()=>{},t.onclose=()=>{clearTimeout(s),t===this.#m&&this.#I()},t.onmessage=()=>{t===this.#m&&(this.#U(),this.#f=0,this.#_(4501),this.#E(
{state:"offline",code:0,reason:"WebSockets work again",retryInMs:0}),this.#w())}},e)}#U(){let e=this.#m;this.#m=void 0,this.#p.clear(),e?.close(1e3)}async#x(){let{
token:e}=this.#o;return typeof e=="function"?e():e}#B(e,t){let s=t||this.#i||re.get(e)||`close code ${e}`,n=e===4401&&typeof this.#o.token=="function"&&!this.#a;
if(B(e)&&!n)return this.end(e,s);this.#a||=n,this.#k(e,s)}#k(e,t){this.#O(e),this.isOnline&&Date.now()-this.#y>=Ee&&(this.#r=0);let s=Math.round(Math.random()*Math.
min(Te,Ae*2**this.#r++));this.#_(4501),this.#g.set(()=>this.#w(),s),this.#E({state:"offline",code:e,reason:t,retryInMs:s})}#_(e){let t=this.#n;this.#t=this.#n=void 0,
this.#g.clear(),this.#U(),this.#v=[],this.#b=0,t?.close(e)}#E(e){this.state=e,this.#e.state(e)}#P(){let e=this.#v;this.#v=[],this.#b=0;let t=[],s=1,n=()=>{t.length>
0&&this.#q(t.length===1?t[0]:`[${t.join(",")}]`,s),t=[],s=1};for(let{text:i,bytes:a}of e)(t.length===256||s+a+1>1048576)&&n(),t.push(i),s+=a+1;n()}#q(e,t){this.#n?.
send(e),e.includes('"authenticate"')||this.#e.frame({direction:"sent",text:e,bytes:t})}#C(e,t){if(this.#d=Date.now(),this.#l=!0,typeof e!="string"){let s=new Uint8Array(
e);return this.#e.frame({direction:"received",text:"",bytes:s.length}),this.#e.bytes(s)}this.#e.frame({direction:"received",text:e,bytes:e.length});for(let s of[
JSON.parse(e)].flat())t===this.#t&&this.#N(s)}#N(e){switch(e.type){case"welcome":this.clientId=e.clientId,this.#S=e.heartbeatMs;return;case"auth.success":return this.#F(
e);case"auth.error":this.#i=e.message,this.isOnline&&this.#e.error(new u("unauthorized",e.message));return;case"token.expiring":this.#e.message(e),typeof this.#o.
token=="function"&&this.#W();return;case"pong":return this.#j();default:this.#e.message(e)}}#F(e){this.#a=!1,this.isOnline||(this.#y=Date.now(),this.#c==="strea\
m"?this.#I():(this.#f=0,this.#h=ue),this.#j(),this.#E({state:"online",transport:this.#c})),this.isOnline&&this.#e.online(e)}async#W(){let e=this.#t;try{let t=await this.#x();
t&&e===this.#t&&this.authenticate(t)}catch(t){this.#e.error(new u("unauthorized",`no token: ${M(t)}`,{temporary:!0}))}}#j(){let e=Date.now()-this.#d;e>=this.#S?
this.#M(Me):this.#g.set(()=>this.#j(),this.#S-e)}#M(e,t=!1){this.write('{"type":"ping"}'),this.#D(e,e,t)}#D(e,t,s){let n=Date.now();this.#g.set(()=>{let i=Date.
now(),a=i-this.#d;i-n>2*e&&!s?this.#M(e,!0):a<e?this.#D(e,e-a,s):this.#k(4501,"the server does not answer")},t)}#R=()=>{globalThis.document?.visibilityState!=="\
hidden"&&(this.state.state==="offline"?this.#w():this.isOnline&&this.#M(Re))};#L=()=>{this.isOnline&&this.#M(Oe)}};var h,v=class{#s=new Map;static{h=(e,t,s)=>{let n=[...e.#s.get(t)??[]];for(let i of n)try{i(s)}catch(a){queueMicrotask(()=>{throw a})}return n.length}}on(e,t){let s=this.#s.
get(e)??new Set;return this.#s.set(e,s.add(t)),()=>this.off(e,t)}off(e,t){this.#s.get(e)?.delete(t)}};var W=class{#s;#o;#e=[];#t=new Map;#n=0;#i=64;constructor(e,t){this.#s=e,this.#o=t}get isEmpty(){return this.#e.length===0}add(e){if(this.#e.length+this.#t.size>=
this.#s||this.#n+e.bytes>this.#o)return e.reject(new u("queue_full","too many messages wait for their acknowledgement",{temporary:!0}));this.#n+=e.bytes,this.#e.
push(e)}next(){if(this.#t.size>=this.#i)return;let e=this.#e.findIndex(({room:s})=>!s||s.isJoined),[t]=e<0?[]:this.#e.splice(e,1);return t&&this.#t.set(t.id,t),
t}answer(e){let t=this.#t.get(e.requestId??"");return t?(this.#r(t),this.#t.delete(t.id),this.#i=Math.min(64,this.#i+1),e.type==="error"?t.reject(k(e)):t.resolve(
e),!0):!1}putBack(e){let t=this.#t.get(e);return t?.isRepeatable?(this.#t.delete(e),this.#a([t]),this.#i=1,!0):!1}lose(){let e=[...this.#t.values()];this.#t.clear(),
this.#i=64,this.#a(e.filter(({isRepeatable:t})=>t));for(let t of e)t.isRepeatable||(this.#r(t),t.reject(new u("connection_lost","the connection was lost before \
the answer",{temporary:!0})))}reject(e,t){let s=this.#e.filter(e);this.#e=this.#e.filter(n=>!e(n));for(let n of s)this.#r(n),n.reject(t)}#a(e){this.#e=[...e,...this.#e].
sort((t,s)=>Number(t.id)-Number(s.id))}#r(e){this.#n-=e.bytes}};var Pe=100,j=class{users=new Map;count=0;isCapped=!1;#s;#o;#e;#t=!1;#n=new l;constructor(e,t){this.#s=e,this.#o=t}set(e){this.#e=e,this.announce()}announce(){this.#t=
this.#e!==void 0,this.#n.isSet||this.#i()}#i(){!this.#t||!this.#s.isJoined||(this.#t=!this.#o({type:"presence.update",state:this.#e}),this.#n.set(()=>this.#i(),
Pe))}replace({count:e,users:t=[],capped:s=!1}){let n=this.users,i=t,a=new Map(i.map(r=>[r.user,r]));return this.count=e,this.isCapped=s,this.users=a,{count:e,joins:i.
filter(({user:r})=>!n.has(r)),updates:i.filter(r=>n.has(r.user)&&JSON.stringify(n.get(r.user))!==JSON.stringify(r)),leaves:[...n.values()].filter(({user:r})=>!a.
has(r))}}change({count:e,joins:t=[],updates:s=[],leaves:n=[],capped:i=!1}){if(i)return this.replace({count:e,capped:i});let a=new Map(this.users),[r,c]=[t,s];for(let f of[
...r,...c])a.set(f.user,f);let m=n.map(f=>a.get(f)).filter(f=>f!==void 0);for(let f of n)a.delete(f);return this.count=e,this.isCapped=!1,this.users=a,{count:e,
joins:r,updates:c,leaves:m}}};var je=3e3,Ie=4e3,H,X,K,z,G,Q,I=class extends v{name;presence;typists=new Map;isJoined=!1;access=null;seq;#s;#o;#e="";#t=null;#n=new l;#i=[];#a=new l;#r=0;static{
H=e=>e.#l(),X=(e,t)=>e.#S(t),K=(e,t)=>e.#e===t,z=(e,t,s)=>{h(e,"bytes",{user:t,bytes:s})},G=e=>e.#p(),Q=(e,t)=>e.#d(t)}constructor(e,t,s){super(),this.name=e,this.
seq=s.since??null,this.#s=t,this.#o=s.edits,this.presence=new j(this,n=>this.#c(n))}joined(){return this.isJoined?Promise.resolve(this):this.#t?Promise.reject(this.#t):
new Promise((e,t)=>this.#i.push({resolve:e,reject:t}))}send(e,{payload:t,key:s}={}){return this.typing(!1),this.#f({type:"chat.message",text:e,payload:t,key:s}).
then(pe)}publish(e,t,{key:s}={}){return this.#f({type:e,payload:t,key:s}).then(pe)}signal(e,t){return this.#c({type:e,payload:t,ephemeral:!0})}signalBytes(e){let t=ie(
this.name,e);if(t.length>65536)throw new u("too_large",`a binary signal has at most ${65536} bytes with its room's name`);return this.isJoined&&this.#s.castBytes(
t)}typing(e=!0){if(e){if(this.#a.set(()=>this.typing(!1),Ie),Date.now()-this.#r<je)return;this.#c({type:"typing.started"})&&(this.#r=Date.now())}else this.#a.clear(),
this.#r>0&&this.#c({type:"typing.stopped"}),this.#r=0}push(e,t,s){return this.#u({type:"edit.push",version:e,steps:t,clientId:s}).then(me)}stepsSince(e){return this.#u(
{type:"edit.push",version:e,steps:[],clientId:0}).then(t=>me(t))}history(e={}){return this.#s.get(`rooms/${this.name.split("/").map(encodeURIComponent).join("/")}\
/history`,e)}leave(){this.typing(!1),this.#e&&this.#s.write({type:"room.leave",room:this.name}),this.#m(new u("left","the room was left",{room:this.name}))}#f(e){
return this.#u({...e,key:e.key??this.#s.newKey()})}#u(e){return this.#t?Promise.reject(this.#t):this.#s.request({...e,room:this.name},this)}#c(e){return this.isJoined&&
this.#s.cast({...e,room:this.name})}#l(){this.#e||(this.#n.clear(),this.#t=null,this.#e=this.#s.newId(),this.#s.write({type:"room.join",room:this.name,since:this.
seq??void 0,edits:this.#o,requestId:this.#e}))}#p(){this.isJoined=!1,this.#e="",this.#n.clear(),this.#h()}#h(){this.#a.clear(),this.#r=0;for(let[e,t]of this.typists)
h(this,"typing",{user:e,name:t,typing:!1});this.typists.clear()}#m(e){this.#p(),this.#y(e),this.#s.forget(this)}#y(e){this.#t=e,this.#d(e),this.#s.abandon(this,
e)}#d(e){for(let{reject:t}of this.#i.splice(0))t(e)}#S(e){switch(e.type){case"room.joined":return this.#g(e);case"room.access":this.access=e.access,h(this,"acce\
ss",{access:e.access});return;case"room.evicted":this.#m(new u("evicted",e.reason??"the server closed the room to this client",{room:this.name})),h(this,"evicte\
d",{reason:e.reason});return;case"presence.state":h(this,"presence",this.presence.replace(e));return;case"presence.diff":h(this,"presence",this.presence.change(
e));return;case"user.typing":return this.#v(e);case"error":return this.#b(e);case"room.left":return;default:this.#w(e)}}#g(e){if(e.requestId!==this.#e)return;let{
seq:t,access:s,recovered:n,members:i}=e,a=this.seq;this.isJoined=!0,this.access=s,(a===null||!n)&&(this.seq=t);for(let{resolve:r}of this.#i.splice(0))r(this);h(
this,"joined",{seq:t,access:s,recovered:n,members:i}),a!==null&&!n&&h(this,"gap",{since:a,seq:t}),this.presence.announce(),this.#s.pump()}#v({user:e,name:t,typing:s}){
s?this.typists.set(e,t):this.typists.delete(e),h(this,"typing",{user:e,name:t,typing:s})}#b(e){let t=k(e);if(e.requestId!==void 0&&e.requestId===this.#e){if(this.#e=
"",t.temporary)return this.#n.set(()=>this.#l(),t.retryAfterMs??1e3);this.#y(t)}h(this,"error",t)===0&&this.#s.report(t)}#w(e){if(e.seq!==void 0){if(this.seq===
null||e.seq<=this.seq)return;this.seq=e.seq}e.type==="chat.message"?h(this,"message",e):e.type==="edit.steps"?h(this,"steps",e):e.type==="edit"?h(this,"edit",{...e,
update:L(e.update??"")}):ae.has(e.type.split(".")[0])||(h(this,"event",e),h(this,e.type,e))}},pe=o=>{let{seq:e,timestamp:t}=o;return{seq:e,timestamp:t}},me=o=>{
if(o.type==="saved")return{accepted:!0,seq:o.seq,version:o.version,timestamp:o.timestamp};let{version:e,since:t,steps:s,clientIds:n}=o;return{accepted:!1,version:e,
since:t,steps:s,clientIds:n}};var Ue=50,Y=class extends v{userId;userName;#s;#o;#e;#t;#n=new Map;#i=1;#a=oe();#r=new l;#f=new l;#u=[];constructor(e,t){super();let{queueMax:s=1e3,queueBytesMax:n=4*
1024*1024,bufferedBytesMax:i=256*1024}=t,a=t.WebSocket??globalThis.WebSocket;if(!a)throw new TypeError("there is no WebSocket here: pass one, such as that of th\
e npm package ws");this.#s={...t,WebSocket:a,bufferedBytesMax:i};let r=new URL(e,globalThis.location?.href);r.protocol=r.protocol.replace("http","ws"),this.#o=new URL(
"api/v1/",r),this.#o.protocol=r.protocol.replace("ws","http"),this.#t=new W(s,n),this.#e=new F(r.href,this.#s,{state:c=>this.#S(c),online:c=>this.#g(c),message:c=>this.#v(
c),bytes:c=>this.#w(c),frame:c=>{h(this,"frame",c)},error:c=>this.#T(c)})}getState(){return this.#e.state}get clientId(){return this.#e.clientId}get bufferedAmount(){
return this.#e.bufferedBytes}open(){this.#e.open()}close(){this.#e.end(1e3,"closed by the app")}room(e,t={}){let s=this.#n.get(e);if(s)return s;let n=new I(e,this.#c,
t);return this.#n.set(e,n),this.#e.isOnline&&H(n),n}direct(e,t){return this.#m({type:"direct.message",to:e,payload:t},void 0,!1).then(s=>({sockets:s.type==="don\
e"?s.sockets:0}))}setToken(e){this.#s.token=e,this.#e.isOnline&&this.#e.authenticate(e)}ready(){return this.getState().state==="closed"?Promise.reject(this.#A()):
new Promise((e,t)=>{this.#u.push({resolve:e,reject:t}),this.#d()})}#c={write:e=>this.#e.write(T(e)),cast:e=>this.#p(e),castBytes:e=>this.#h(e),request:(e,t)=>this.#m(
e,t),newId:()=>this.#y(),newKey:()=>`${this.#a}-${this.#y()}`,pump:()=>this.#d(),abandon:(e,t)=>{this.#t.reject(s=>s.room===e,t),this.#d()},forget:e=>{this.#n.get(
e.name)===e&&this.#n.delete(e.name)},report:e=>this.#T(e),get:(e,t)=>this.#O(e,t)};#l(){return this.#e.isOnline&&this.#e.bufferedBytes<this.#s.bufferedBytesMax}#p(e){
let t=this.#l();return t&&this.#e.write(T(e)),t}#h(e){let t=this.#l();return t&&this.#e.writeBytes(e),t}async#m(e,t,s=!0){if(this.getState().state==="closed")throw this.#A();
let n=this.#y(),i=T({...e,requestId:n}),a=E(i);if(a>1048576)throw new u("too_large",`a message has at most ${1048576} bytes`,{room:t?.name});return new Promise(
(r,c)=>{this.#t.add({id:n,text:i,bytes:a,room:t,isRepeatable:s,resolve:r,reject:c}),this.#d()})}#y(){return String(this.#i++)}#d(){for(;!this.#r.isSet&&this.#l();){
let t=this.#t.next();if(!t)break;this.#e.write(t.text,t.bytes)}if(!this.#e.isOnline)return;if(this.#t.isEmpty&&this.#l())for(let{resolve:t}of this.#u.splice(0))
t();else!this.#l()&&!this.#f.isSet&&this.#f.set(()=>this.#d(),Ue)}#S(e){if(e.state==="offline"||e.state==="closed"){this.#r.clear(),this.#f.clear(),this.#t.lose();
for(let t of this.#n.values())G(t)}if(e.state==="closed"){this.#t.reject(()=>!0,this.#A());for(let t of this.#n.values())Q(t,this.#A());for(let{reject:t}of this.#u.
splice(0))t(this.#A())}h(this,"state",e)}#g({userId:e,name:t}){this.userId=e,this.userName=t;for(let s of this.#n.values())H(s);this.#d()}#v(e){let t=this.#n.get(
e.room??"")??this.#b(e);if(De(e)){if(e.type==="error"&&e.temporary&&this.#t.putBack(e.requestId??""))return this.#r.set(()=>this.#d(),e.retryAfterMs??1e3);if(this.#t.
answer(e))return this.#d()}e.type==="error"&&e.code==="overtaken"||(e.type==="direct.message"?h(this,"direct",e):e.type==="token.expiring"?h(this,"expiring",{expiresAt:e.
expiresAt}):e.type==="server.draining"?h(this,"draining",{}):t?X(t,e):e.type==="error"&&this.#T(k(e)))}#b(e){if(e.type!=="error"||!e.requestId)return;let{requestId:t}=e;
return[...this.#n.values()].find(s=>K(s,t))}#w(e){let[t,s]=x(e,0),[n,i]=x(e,s),a=this.#n.get(t);a&&z(a,n,e.subarray(i))}#T(e){h(this,"error",e)===0&&console.warn(
`tutti: ${e.message} (${e.code})`)}#A(){return new u("closed",this.getState().reason??"the connection is closed")}async#O(e,t){let s=new URL(e,this.#o);for(let[
m,f]of Object.entries(t))f!==void 0&&s.searchParams.set(m,String(f));let n=await this.#e.currentToken();if(!n)throw new u("unauthorized","there is no token");let i=await fetch(
s,{headers:{authorization:`Bearer ${n}`}}).catch(m=>{throw new u("connection_lost",`the server cannot be reached: ${M(m)}`,{temporary:!0})}),a=await i.json().catch(
()=>({}));if(i.ok)return a;let{code:r="unknown",message:c=`the server answered ${i.status}`}=a.error??{};throw new u(r,c,{temporary:i.status===503})}},De=o=>ce.
has(o.type)&&"requestId"in o&&o.requestId!==void 0;function Le(o,e){let t=new Y(o,e);return t.open(),t}var ve=3e3,Be=2e4,V=5e3,ye=800;function qe({connection:o,isSaved:e,unsavedSinceMs:t,access:s},n=Date.now()){let i=t===null?0:n-t;return o==="closed"?e?"Closed":
"Closed \u2013 not saved":o==="offline"?e?"Offline":`Offline \u2013 not saved: ${ge(i)}`:o==="connecting"?"Connecting\u2026":e?s==="read"?"View only":"Saved":i<
ve?"Saving\u2026":`Not saved yet: ${ge(i)}`}function ge(o){let e=Math.round(o/1e3);return e<60?`${e} s`:e<3600?`${Math.floor(e/60)} min`:`${Math.floor(e/3600)} \
h`}var U=class extends v{state={connection:"connecting",isSaved:!0,unsavedSinceMs:null,access:null,reason:""};#s;#o=new l;#e=new l;#t=[];constructor(e){super(),
this.#s=e;let t=()=>this.#i(ye),s=()=>this.#i(V);globalThis.addEventListener?.("offline",t),globalThis.addEventListener?.("online",s),this.#t.push(()=>{globalThis.
removeEventListener?.("offline",t),globalThis.removeEventListener?.("online",s)}),this.#n()}put(e){let t=this.state,s={...t,...e};s.isSaved?s.unsavedSinceMs=null:
s.unsavedSinceMs??=Date.now(),!Object.keys(s).every(i=>s[i]===t[i])&&(this.state=s,(t.isSaved!==s.isSaved||t.connection!==s.connection)&&this.#n(),h(this,"chang\
e",s))}whenStopped(e){this.#t.push(e)}takeAccess(e){let t=({access:n})=>this.put({access:n});e.access&&t(e);let s=[e.on("joined",t),e.on("access",t)];return()=>{
for(let n of s)n()}}stop(){this.#o.clear(),this.#e.clear();for(let e of this.#t.splice(0))e()}#n(){if(this.state.connection!=="online")return this.#e.clear();let e=this.
state.isSaved?Be:ve,t=Date.now()-this.#s.heardAtMs();this.#e.set(()=>{Date.now()-this.#s.heardAtMs()>=e&&this.#i(V),this.#n()},Math.max(e-t,1e3))}#i(e){let t=e===
ye;if(this.state.connection==="closed"||this.#o.isSet&&!t)return;let s=Date.now();this.#s.ask()&&this.#o.set(()=>{if(Date.now()-s>2*e)return this.#i(V);this.#s.
heardAtMs()>=s||(this.put({connection:"offline"}),this.#s.drop())},e)}},g=(o,e,t,s)=>{e.on(t,s),o.whenStopped(()=>e.off(t,s))},te=Uint8Array.of(0,2,2,0,0),Ce=0,
Z=0,ee=2,Ne=Uint8Array.of(3),Fe=120,We=o=>o.length===te.length&&o.every((e,t)=>e===te[t]);function se(o,{isDirty:e=!1}={}){let t=o,s=!1,n=!1,i=!1,a=new l,r=new U(
{heardAtMs:()=>t.wsLastMessageReceived,ask(){return t.wsconnected?(t.ws?.send(Ne),!0):!1},drop(){t.shouldConnect&&(t.disconnect(),t.connect())}}),c=()=>r.put({isSaved:!e}),
m=()=>{!e||n||!i||(n=!0,s=!1,t.ws?.send(te))},f=()=>{a.isSet||a.set(m,Fe)},S=()=>{n=!1,s?f():e=!1,c()},y=()=>{i=t.wsconnected,s||=n,m()},b=t.messageHandlers[Z],
A=t.messageHandlers[ee];return t.messageHandlers[Z]=(p,d,...D)=>{let O=d.arr;if(We(O))return S();b(p,d,...D),O[1]===Ce&&queueMicrotask(y)},t.messageHandlers[ee]=
(p,{arr:d,pos:D})=>{if(d[D]!==0)return;let[O]=x(d,D+1);r.put({reason:O}),h(r,"refused",{reason:O})},r.whenStopped(()=>{a.clear(),t.messageHandlers[Z]=b,A&&(t.messageHandlers[ee]=
A)}),g(r,t.doc,"update",(p,d)=>{d!==o&&(e=!0,s=!0,f(),c())}),g(r,t,"status",({status:p})=>{p!=="connected"&&(n=!1,i=!1,p==="disconnected"&&r.put({connection:"of\
fline"}))}),g(r,t,"connection-error",()=>r.put({connection:"offline"})),g(r,t,"sync",p=>{p&&r.put({connection:"online"})}),g(r,t,"closed",({code:p,reason:d})=>r.
put({connection:"closed",reason:d||r.state.reason||`close code ${p}`})),r.put({isSaved:!e,connection:t.synced?"online":"connecting"}),r}function He(o,{isFinal:e=()=>!0}={}){
let t=o,s=Date.now(),n=!1,i=new U({heardAtMs:()=>s,ask(){return n&&t.sendToken(),n},drop(){}}),a=()=>t.authorizedScope==="readonly"?"read":t.authorizedScope?"wr\
ite":null,r=()=>i.put({isSaved:!t.hasUnsyncedChanges,access:a(),...n&&t.isSynced&&i.state.connection!=="closed"?{connection:"online",reason:""}:{}});g(i,t,"mess\
age",()=>{s=Date.now(),i.state.connection==="offline"&&r()});for(let c of["synced","unsyncedChanges","authenticated"])g(i,t,c,r);return g(i,t,"status",({status:c})=>{
n=c==="connected",c==="disconnected"&&i.state.connection!=="closed"&&i.put({connection:"offline"})}),g(i,t,"authenticationFailed",({reason:c})=>{e(c)&&i.put({connection:"\
closed",reason:c})}),i}var be=2e3;function $e({url:o="/yjs",room:e,doc:t,token:s,WebsocketProvider:n,isDirty:i=!1}){let a=new URL(o,globalThis.location?.href);a.protocol=a.protocol.replace(
"http","ws");let r=!1,c=!1,m=new l,f=d=>d===4504||d===4401&&typeof s=="function"&&!r,S=new n(a.href,e,t,{connect:!1,disableBc:!0,shouldReconnect:({code:d})=>f(d)||
!B(d)}),y=S,b=se(S,{isDirty:i}),A=async()=>{let d;try{d=typeof s=="function"?await s():s}catch{return m.set(A,be)}if(!c){if(!d)return b.put({connection:"closed",
reason:"there is no token"});y.protocols=["tutti.v1",`auth.${d}`],y.connect()}};y.on("connection-close",d=>{!d||!f(d.code)||(r=d.code===4401,y.shouldConnect=!1,
m.set(A,y.wsUnsuccessfulReconnects>0?be:0))}),b.on("change",({connection:d})=>{d==="online"&&(r=!1)});let p=()=>{y.shouldConnect&&y.connect()};return globalThis.
addEventListener?.("online",p),A(),{doc:t,provider:S,sync:b,close(){c=!0,m.clear(),globalThis.removeEventListener?.("online",p),b.stop(),S.destroy()}}}export{U as DocumentSync,j as Presence,I as Room,Y as Tutti,u as TuttiError,Le as connect,qe as describeSync,$e as openDocument,He as watchHocuspocusProvider,se as watchWebsocketProvider};
