// Generated from static/client/src by `npm run client`: do not edit.
var Q=new TextEncoder,pe=new TextDecoder,A=o=>JSON.stringify(o).replace(/\\(?:\\|ud[89a-f][0-9a-f]{2})/g,e=>e==="\\\\"?e:"\\ufffd"),j=o=>Q.encode(o).length;function V(o,e){
let t=Q.encode(o),s=[],n=t.length;for(;n>127;n>>>=7)s.push(n&127|128);s.push(n);let i=new Uint8Array(s.length+t.length+e.length);return i.set(s),i.set(t,s.length),
i.set(e,s.length+t.length),i}function k(o,e){let t=0;for(let s=0;;s+=7){let n=o[e++];if(t|=(n&127)<<s,!(n&128))break}return[pe.decode(o.subarray(e,e+t)),e+t]}var Z=o=>Uint8Array.
from(atob(o),e=>e.charCodeAt(0)),ee=()=>Array.from(crypto.getRandomValues(new Uint8Array(12)),o=>o.toString(16).padStart(2,"0")).join("");var u=class extends Error{name="TuttiError";code;temporary;retryAfterMs;room;constructor(e,t,{temporary:s=!1,retryAfterMs:n,room:i}={}){super(t),this.code=e,this.
temporary=s,this.retryAfterMs=n,this.room=i}},E=({code:o,message:e,temporary:t,retryAfterMs:s,room:n})=>new u(o,e,{temporary:t,retryAfterMs:s,room:n}),T=o=>o instanceof
Error?o.message:String(o);var te=new Map([[1001,"the server restarts"],[1002,"a frame was against the WebSocket protocol"],[1006,"the connection was lost"],[1007,"a text was not UTF-8"],
[1009,"a message was too large"],[1011,"the server had a fault"],[1013,"the server asks to try later"],[4401,"the token is not valid"],[4403,"the token does not\
 allow this"],[4413,"something was too large"],[4422,"a message could not be read"],[4500,"this client read its messages too slowly"],[4501,"the heartbeat was l\
ost"],[4502,"this client sent too much"],[4504,"the token expired"]]),I=o=>o>=4400&&o<4500,se=new Set(["auth","chat","direct","edit","presence","room","server",
"token","typing","user"]),ne=new Set(["saved","done","edit.rejected","error"]);var l=class{#t;get isSet(){return this.#t!==void 0}set(e,t){this.clear(),this.#t=setTimeout(()=>{this.#t=void 0,e()},t)}clear(){clearTimeout(this.#t),this.#t=void 0}};var ye=500,ve=2e4,ge=1e4,ie=15e3,be=25e3,we=1e4,Se=3e3,Ae=800,D=class{state={state:"idle"};clientId;token;#t;#i;#e;#s;#n;#o="";#a=!1;#r=0;#p=0;#d=0;#u=be;#c=new l;#l=[];#y=0;constructor(e,t,s){
this.#t=e,this.#i=t,this.#e=s}get isOnline(){return this.state.state==="online"}get bufferedBytes(){return this.#y+(this.#n?.bufferedAmount??0)}open(){["idle","\
closed"].includes(this.state.state)&&(globalThis.addEventListener?.("online",this.#M),globalThis.addEventListener?.("offline",this.#O),globalThis.document?.addEventListener(
"visibilitychange",this.#M),this.#r=0,this.#a=!1,this.#m())}end(e,t){this.state.state!=="closed"&&(this.#b(),this.#S(1e3),globalThis.removeEventListener?.("onli\
ne",this.#M),globalThis.removeEventListener?.("offline",this.#O),globalThis.document?.removeEventListener("visibilitychange",this.#M),this.#g({state:"closed",code:e,
reason:t}))}write(e,t=j(e)){this.#l.length===0&&queueMicrotask(()=>this.#b()),this.#l.push({text:e,bytes:t}),this.#y+=t+1}writeBytes(e){this.#b(),this.#n?.send(
e),this.#e.frame({direction:"sent",text:"",bytes:e.length})}authenticate(e){this.token=e,this.write(A({type:"authenticate",token:e}))}async currentToken(){return this.
token??this.#f()}async#m(){let e=this.#s={};this.#o="",this.#c.set(()=>this.#v(0,`no connection within ${ie/1e3} s`),ie),this.#g({state:"connecting"});let t;try{
t=await this.#f()}catch(n){e===this.#s&&this.#v(0,`no token: ${T(n)}`);return}if(e!==this.#s)return;if(!t)return this.end(4401,"there is no token");this.token=t;
let s;try{s=new this.#i.WebSocket(this.#t,["tutti.v1",`auth.${t}`])}catch(n){return this.end(0,T(n))}s.binaryType="arraybuffer",s.onmessage=({data:n})=>{e===this.#s&&
this.#E(n,e)},s.onclose=({code:n,reason:i})=>{e===this.#s&&this.#h(n,i)},s.onerror=()=>{},this.#n=s}async#f(){let{token:e}=this.#i;return typeof e=="function"?e():
e}#h(e,t){let s=t||this.#o||te.get(e)||`close code ${e}`,n=e===4401&&typeof this.#i.token=="function"&&!this.#a;if(I(e)&&!n)return this.end(e,s);this.#a||=n,this.#v(
e,s)}#v(e,t){this.isOnline&&Date.now()-this.#p>=ge&&(this.#r=0);let s=Math.round(Math.random()*Math.min(ve,ye*2**this.#r++));this.#S(4501),this.#c.set(()=>this.#m(),
s),this.#g({state:"offline",code:e,reason:t,retryInMs:s})}#S(e){let t=this.#n;this.#s=this.#n=void 0,this.#c.clear(),this.#l=[],this.#y=0,t?.close(e)}#g(e){this.
state=e,this.#e.state(e)}#b(){let e=this.#l;this.#l=[],this.#y=0;let t=[],s=1,n=()=>{t.length>0&&this.#A(t.length===1?t[0]:`[${t.join(",")}]`,s),t=[],s=1};for(let{
text:i,bytes:c}of e)(t.length===256||s+c+1>1048576)&&n(),t.push(i),s+=c+1;n()}#A(e,t){this.#n?.send(e),e.includes('"authenticate"')||this.#e.frame({direction:"s\
ent",text:e,bytes:t})}#E(e,t){if(this.#d=Date.now(),typeof e!="string"){let s=new Uint8Array(e);return this.#e.frame({direction:"received",text:"",bytes:s.length}),
this.#e.bytes(s)}this.#e.frame({direction:"received",text:e,bytes:e.length});for(let s of[JSON.parse(e)].flat())t===this.#s&&this.#w(s)}#w(e){switch(e.type){case"\
welcome":this.clientId=e.clientId,this.#u=e.heartbeatMs;return;case"auth.success":return this.#k(e);case"auth.error":this.#o=e.message,this.isOnline&&this.#e.error(
new u("unauthorized",e.message));return;case"token.expiring":this.#e.message(e),typeof this.#i.token=="function"&&this.#P();return;case"pong":return this.#R();default:
this.#e.message(e)}}#k(e){this.#a=!1,this.isOnline||(this.#p=Date.now(),this.#R(),this.#g({state:"online"})),this.isOnline&&this.#e.online(e)}async#P(){let e=this.#s;
try{let t=await this.#f();t&&e===this.#s&&this.authenticate(t)}catch(t){this.#e.error(new u("unauthorized",`no token: ${T(t)}`,{temporary:!0}))}}#R(){let e=Date.
now()-this.#d;e>=this.#u?this.#T(we):this.#c.set(()=>this.#R(),this.#u-e)}#T(e,t=!1){this.write('{"type":"ping"}'),this.#x(e,e,t)}#x(e,t,s){let n=Date.now();this.#c.
set(()=>{let i=Date.now(),c=i-this.#d;i-n>2*e&&!s?this.#T(e,!0):c<e?this.#x(e,e-c,s):this.#v(4501,"the server does not answer")},t)}#M=()=>{globalThis.document?.
visibilityState!=="hidden"&&(this.state.state==="offline"?this.#m():this.isOnline&&this.#T(Se))};#O=()=>{this.isOnline&&this.#T(Ae)}};var h,g=class{#t=new Map;static{h=(e,t,s)=>{let n=[...e.#t.get(t)??[]];for(let i of n)try{i(s)}catch(c){queueMicrotask(()=>{throw c})}return n.length}}on(e,t){let s=this.#t.
get(e)??new Set;return this.#t.set(e,s.add(t)),()=>this.off(e,t)}off(e,t){this.#t.get(e)?.delete(t)}};var L=class{#t;#i;#e=[];#s=new Map;#n=0;#o=64;constructor(e,t){this.#t=e,this.#i=t}get isEmpty(){return this.#e.length===0}add(e){if(this.#e.length+this.#s.size>=
this.#t||this.#n+e.bytes>this.#i)return e.reject(new u("queue_full","too many messages wait for their acknowledgement",{temporary:!0}));this.#n+=e.bytes,this.#e.
push(e)}next(){if(this.#s.size>=this.#o)return;let e=this.#e.findIndex(({room:s})=>!s||s.isJoined),[t]=e<0?[]:this.#e.splice(e,1);return t&&this.#s.set(t.id,t),
t}answer(e){let t=this.#s.get(e.requestId??"");return t?(this.#r(t),this.#s.delete(t.id),this.#o=Math.min(64,this.#o+1),e.type==="error"?t.reject(E(e)):t.resolve(
e),!0):!1}putBack(e){let t=this.#s.get(e);return t?.isRepeatable?(this.#s.delete(e),this.#a([t]),this.#o=1,!0):!1}lose(){let e=[...this.#s.values()];this.#s.clear(),
this.#o=64,this.#a(e.filter(({isRepeatable:t})=>t));for(let t of e)t.isRepeatable||(this.#r(t),t.reject(new u("connection_lost","the connection was lost before \
the answer",{temporary:!0})))}reject(e,t){let s=this.#e.filter(e);this.#e=this.#e.filter(n=>!e(n));for(let n of s)this.#r(n),n.reject(t)}#a(e){this.#e=[...e,...this.#e].
sort((t,s)=>Number(t.id)-Number(s.id))}#r(e){this.#n-=e.bytes}};var Ee=100,x=class{users=new Map;count=0;isCapped=!1;#t;#i;#e;#s=!1;#n=new l;constructor(e,t){this.#t=e,this.#i=t}set(e){this.#e=e,this.announce()}announce(){this.#s=
this.#e!==void 0,this.#n.isSet||this.#o()}#o(){!this.#s||!this.#t.isJoined||(this.#s=!this.#i({type:"presence.update",state:this.#e}),this.#n.set(()=>this.#o(),
Ee))}replace({count:e,users:t=[],capped:s=!1}){let n=this.users,i=t,c=new Map(i.map(r=>[r.user,r]));return this.count=e,this.isCapped=s,this.users=c,{count:e,joins:i.
filter(({user:r})=>!n.has(r)),updates:i.filter(r=>n.has(r.user)&&JSON.stringify(n.get(r.user))!==JSON.stringify(r)),leaves:[...n.values()].filter(({user:r})=>!c.
has(r))}}change({count:e,joins:t=[],updates:s=[],leaves:n=[],capped:i=!1}){if(i)return this.replace({count:e,capped:i});let c=new Map(this.users),[r,a]=[t,s];for(let f of[
...r,...a])c.set(f.user,f);let m=n.map(f=>c.get(f)).filter(f=>f!==void 0);for(let f of n)c.delete(f);return this.count=e,this.isCapped=!1,this.users=c,{count:e,
joins:r,updates:a,leaves:m}}};var Te=3e3,Me=4e3,U,F,W,H,Y,$,O=class extends g{name;presence;typists=new Map;isJoined=!1;access=null;seq;#t;#i;#e="";#s=null;#n=new l;#o=[];#a=new l;#r=0;static{
U=e=>e.#c(),F=(e,t)=>e.#v(t),W=(e,t)=>e.#e===t,H=(e,t,s)=>{h(e,"bytes",{user:t,bytes:s})},Y=e=>e.#l(),$=(e,t)=>e.#h(t)}constructor(e,t,s){super(),this.name=e,this.
seq=s.since??null,this.#t=t,this.#i=s.edits,this.presence=new x(this,n=>this.#u(n))}joined(){return this.isJoined?Promise.resolve(this):this.#s?Promise.reject(this.#s):
new Promise((e,t)=>this.#o.push({resolve:e,reject:t}))}send(e,{payload:t,key:s}={}){return this.typing(!1),this.#p({type:"chat.message",text:e,payload:t,key:s}).
then(ae)}publish(e,t,{key:s}={}){return this.#p({type:e,payload:t,key:s}).then(ae)}signal(e,t){return this.#u({type:e,payload:t,ephemeral:!0})}signalBytes(e){let t=V(
this.name,e);if(t.length>65536)throw new u("too_large",`a binary signal has at most ${65536} bytes with its room's name`);return this.isJoined&&this.#t.castBytes(
t)}typing(e=!0){if(e){if(this.#a.set(()=>this.typing(!1),Me),Date.now()-this.#r<Te)return;this.#u({type:"typing.started"})&&(this.#r=Date.now())}else this.#a.clear(),
this.#r>0&&this.#u({type:"typing.stopped"}),this.#r=0}push(e,t,s){return this.#d({type:"edit.push",version:e,steps:t,clientId:s}).then(he)}stepsSince(e){return this.#d(
{type:"edit.push",version:e,steps:[],clientId:0}).then(t=>he(t))}history(e={}){return this.#t.get(`rooms/${this.name.split("/").map(encodeURIComponent).join("/")}\
/history`,e)}leave(){this.typing(!1),this.#e&&this.#t.write({type:"room.leave",room:this.name}),this.#m(new u("left","the room was left",{room:this.name}))}#p(e){
return this.#d({...e,key:e.key??this.#t.newKey()})}#d(e){return this.#s?Promise.reject(this.#s):this.#t.request({...e,room:this.name},this)}#u(e){return this.isJoined&&
this.#t.cast({...e,room:this.name})}#c(){this.#e||(this.#n.clear(),this.#s=null,this.#e=this.#t.newId(),this.#t.write({type:"room.join",room:this.name,since:this.
seq??void 0,edits:this.#i,requestId:this.#e}))}#l(){this.isJoined=!1,this.#e="",this.#n.clear(),this.#y()}#y(){this.#a.clear(),this.#r=0;for(let[e,t]of this.typists)
h(this,"typing",{user:e,name:t,typing:!1});this.typists.clear()}#m(e){this.#l(),this.#f(e),this.#t.forget(this)}#f(e){this.#s=e,this.#h(e),this.#t.abandon(this,
e)}#h(e){for(let{reject:t}of this.#o.splice(0))t(e)}#v(e){switch(e.type){case"room.joined":return this.#S(e);case"room.access":this.access=e.access,h(this,"acce\
ss",{access:e.access});return;case"room.evicted":this.#m(new u("evicted",e.reason??"the server closed the room to this client",{room:this.name})),h(this,"evicte\
d",{reason:e.reason});return;case"presence.state":h(this,"presence",this.presence.replace(e));return;case"presence.diff":h(this,"presence",this.presence.change(
e));return;case"user.typing":return this.#g(e);case"error":return this.#b(e);case"room.left":return;default:this.#A(e)}}#S(e){if(e.requestId!==this.#e)return;let{
seq:t,access:s,recovered:n,members:i}=e,c=this.seq;this.isJoined=!0,this.access=s,(c===null||!n)&&(this.seq=t);for(let{resolve:r}of this.#o.splice(0))r(this);h(
this,"joined",{seq:t,access:s,recovered:n,members:i}),c!==null&&!n&&h(this,"gap",{since:c,seq:t}),this.presence.announce(),this.#t.pump()}#g({user:e,name:t,typing:s}){
s?this.typists.set(e,t):this.typists.delete(e),h(this,"typing",{user:e,name:t,typing:s})}#b(e){let t=E(e);if(e.requestId!==void 0&&e.requestId===this.#e){if(this.#e=
"",t.temporary)return this.#n.set(()=>this.#c(),t.retryAfterMs??1e3);this.#f(t)}h(this,"error",t)===0&&this.#t.report(t)}#A(e){if(e.seq!==void 0){if(this.seq===
null||e.seq<=this.seq)return;this.seq=e.seq}e.type==="chat.message"?h(this,"message",e):e.type==="edit.steps"?h(this,"steps",e):e.type==="edit"?h(this,"edit",{...e,
update:Z(e.update??"")}):se.has(e.type.split(".")[0])||(h(this,"event",e),h(this,e.type,e))}},ae=o=>{let{seq:e,timestamp:t}=o;return{seq:e,timestamp:t}},he=o=>{
if(o.type==="saved")return{accepted:!0,seq:o.seq,version:o.version,timestamp:o.timestamp};let{version:e,since:t,steps:s,clientIds:n}=o;return{accepted:!1,version:e,
since:t,steps:s,clientIds:n}};var ke=50,B=class extends g{userId;userName;#t;#i;#e;#s;#n=new Map;#o=1;#a=ee();#r=new l;#p=new l;#d=[];constructor(e,t){super();let{queueMax:s=1e3,queueBytesMax:n=4*
1024*1024,bufferedBytesMax:i=256*1024}=t,c=t.WebSocket??globalThis.WebSocket;if(!c)throw new TypeError("there is no WebSocket here: pass one, such as that of th\
e npm package ws");this.#t={...t,WebSocket:c,bufferedBytesMax:i};let r=new URL(e,globalThis.location?.href);r.protocol=r.protocol.replace("http","ws"),this.#i=new URL(
"api/v1/",r),this.#i.protocol=r.protocol.replace("ws","http"),this.#s=new L(s,n),this.#e=new D(r.href,this.#t,{state:a=>this.#v(a),online:a=>this.#S(a),message:a=>this.#g(
a),bytes:a=>this.#A(a),frame:a=>{h(this,"frame",a)},error:a=>this.#E(a)})}getState(){return this.#e.state}get clientId(){return this.#e.clientId}get bufferedAmount(){
return this.#e.bufferedBytes}open(){this.#e.open()}close(){this.#e.end(1e3,"closed by the app")}room(e,t={}){let s=this.#n.get(e);if(s)return s;let n=new O(e,this.#u,
t);return this.#n.set(e,n),this.#e.isOnline&&U(n),n}direct(e,t){return this.#m({type:"direct.message",to:e,payload:t},void 0,!1).then(s=>({sockets:s.type==="don\
e"?s.sockets:0}))}setToken(e){this.#t.token=e,this.#e.isOnline&&this.#e.authenticate(e)}ready(){return this.getState().state==="closed"?Promise.reject(this.#w()):
new Promise((e,t)=>{this.#d.push({resolve:e,reject:t}),this.#h()})}#u={write:e=>this.#e.write(A(e)),cast:e=>this.#l(e),castBytes:e=>this.#y(e),request:(e,t)=>this.#m(
e,t),newId:()=>this.#f(),newKey:()=>`${this.#a}-${this.#f()}`,pump:()=>this.#h(),abandon:(e,t)=>{this.#s.reject(s=>s.room===e,t),this.#h()},forget:e=>{this.#n.get(
e.name)===e&&this.#n.delete(e.name)},report:e=>this.#E(e),get:(e,t)=>this.#k(e,t)};#c(){return this.#e.isOnline&&this.#e.bufferedBytes<this.#t.bufferedBytesMax}#l(e){
let t=this.#c();return t&&this.#e.write(A(e)),t}#y(e){let t=this.#c();return t&&this.#e.writeBytes(e),t}async#m(e,t,s=!0){if(this.getState().state==="closed")throw this.#w();
let n=this.#f(),i=A({...e,requestId:n}),c=j(i);if(c>1048576)throw new u("too_large",`a message has at most ${1048576} bytes`,{room:t?.name});return new Promise(
(r,a)=>{this.#s.add({id:n,text:i,bytes:c,room:t,isRepeatable:s,resolve:r,reject:a}),this.#h()})}#f(){return String(this.#o++)}#h(){for(;!this.#r.isSet&&this.#c();){
let t=this.#s.next();if(!t)break;this.#e.write(t.text,t.bytes)}if(!this.#e.isOnline)return;if(this.#s.isEmpty&&this.#c())for(let{resolve:t}of this.#d.splice(0))
t();else!this.#c()&&!this.#p.isSet&&this.#p.set(()=>this.#h(),ke)}#v(e){if(e.state==="offline"||e.state==="closed"){this.#r.clear(),this.#p.clear(),this.#s.lose();
for(let t of this.#n.values())Y(t)}if(e.state==="closed"){this.#s.reject(()=>!0,this.#w());for(let t of this.#n.values())$(t,this.#w());for(let{reject:t}of this.#d.
splice(0))t(this.#w())}h(this,"state",e)}#S({userId:e,name:t}){this.userId=e,this.userName=t;for(let s of this.#n.values())U(s);this.#h()}#g(e){let t=this.#n.get(
e.room??"")??this.#b(e);if(Re(e)){if(e.type==="error"&&e.temporary&&this.#s.putBack(e.requestId??""))return this.#r.set(()=>this.#h(),e.retryAfterMs??1e3);if(this.#s.
answer(e))return this.#h()}e.type==="error"&&e.code==="overtaken"||(e.type==="direct.message"?h(this,"direct",e):e.type==="token.expiring"?h(this,"expiring",{expiresAt:e.
expiresAt}):e.type==="server.draining"?h(this,"draining",{}):t?F(t,e):e.type==="error"&&this.#E(E(e)))}#b(e){if(e.type!=="error"||!e.requestId)return;let{requestId:t}=e;
return[...this.#n.values()].find(s=>W(s,t))}#A(e){let[t,s]=k(e,0),[n,i]=k(e,s),c=this.#n.get(t);c&&H(c,n,e.subarray(i))}#E(e){h(this,"error",e)===0&&console.warn(
`tutti: ${e.message} (${e.code})`)}#w(){return new u("closed",this.getState().reason??"the connection is closed")}async#k(e,t){let s=new URL(e,this.#i);for(let[
m,f]of Object.entries(t))f!==void 0&&s.searchParams.set(m,String(f));let n=await this.#e.currentToken();if(!n)throw new u("unauthorized","there is no token");let i=await fetch(
s,{headers:{authorization:`Bearer ${n}`}}).catch(m=>{throw new u("connection_lost",`the server cannot be reached: ${T(m)}`,{temporary:!0})}),c=await i.json().catch(
()=>({}));if(i.ok)return c;let{code:r="unknown",message:a=`the server answered ${i.status}`}=c.error??{};throw new u(r,a,{temporary:i.status===503})}},Re=o=>ne.
has(o.type)&&"requestId"in o&&o.requestId!==void 0;function xe(o,e){let t=new B(o,e);return t.open(),t}var le=3e3,Oe=2e4,J=5e3,de=800;function Pe({connection:o,isSaved:e,unsavedSinceMs:t,access:s},n=Date.now()){let i=t===null?0:n-t;return o==="closed"?e?"Closed":
"Closed \u2013 not saved":o==="offline"?e?"Offline":`Offline \u2013 not saved: ${ue(i)}`:o==="connecting"?"Connecting\u2026":e?s==="read"?"View only":"Saved":i<
le?"Saving\u2026":`Not saved yet: ${ue(i)}`}function ue(o){let e=Math.round(o/1e3);return e<60?`${e} s`:e<3600?`${Math.floor(e/60)} min`:`${Math.floor(e/3600)} \
h`}var P=class extends g{state={connection:"connecting",isSaved:!0,unsavedSinceMs:null,access:null,reason:""};#t;#i=new l;#e=new l;#s=[];constructor(e){super(),
this.#t=e;let t=()=>this.#o(de),s=()=>this.#o(J);globalThis.addEventListener?.("offline",t),globalThis.addEventListener?.("online",s),this.#s.push(()=>{globalThis.
removeEventListener?.("offline",t),globalThis.removeEventListener?.("online",s)}),this.#n()}put(e){let t=this.state,s={...t,...e};s.isSaved?s.unsavedSinceMs=null:
s.unsavedSinceMs??=Date.now(),!Object.keys(s).every(i=>s[i]===t[i])&&(this.state=s,(t.isSaved!==s.isSaved||t.connection!==s.connection)&&this.#n(),h(this,"chang\
e",s))}whenStopped(e){this.#s.push(e)}takeAccess(e){let t=({access:n})=>this.put({access:n});e.access&&t(e);let s=[e.on("joined",t),e.on("access",t)];return()=>{
for(let n of s)n()}}stop(){this.#i.clear(),this.#e.clear();for(let e of this.#s.splice(0))e()}#n(){if(this.state.connection!=="online")return this.#e.clear();let e=this.
state.isSaved?Oe:le,t=Date.now()-this.#t.heardAtMs();this.#e.set(()=>{Date.now()-this.#t.heardAtMs()>=e&&this.#o(J),this.#n()},Math.max(e-t,1e3))}#o(e){let t=e===
de;if(this.state.connection==="closed"||this.#i.isSet&&!t)return;let s=Date.now();this.#t.ask()&&this.#i.set(()=>{if(Date.now()-s>2*e)return this.#o(J);this.#t.
heardAtMs()>=s||(this.put({connection:"offline"}),this.#t.drop())},e)}},v=(o,e,t,s)=>{e.on(t,s),o.whenStopped(()=>e.off(t,s))},z=Uint8Array.of(0,2,2,0,0),_e=0,X=0,
K=2,je=Uint8Array.of(3),Ie=120,De=o=>o.length===z.length&&o.every((e,t)=>e===z[t]);function G(o,{isDirty:e=!1}={}){let t=o,s=!1,n=!1,i=!1,c=new l,r=new P({heardAtMs:()=>t.
wsLastMessageReceived,ask(){return t.wsconnected?(t.ws?.send(je),!0):!1},drop(){t.shouldConnect&&(t.disconnect(),t.connect())}}),a=()=>r.put({isSaved:!e}),m=()=>{
!e||n||!i||(n=!0,s=!1,t.ws?.send(z))},f=()=>{c.isSet||c.set(m,Ie)},w=()=>{n=!1,s?f():e=!1,a()},y=()=>{i=t.wsconnected,s||=n,m()},b=t.messageHandlers[X],S=t.messageHandlers[K];
return t.messageHandlers[X]=(p,d,..._)=>{let M=d.arr;if(De(M))return w();b(p,d,..._),M[1]===_e&&queueMicrotask(y)},t.messageHandlers[K]=(p,{arr:d,pos:_})=>{if(d[_]!==
0)return;let[M]=k(d,_+1);r.put({reason:M}),h(r,"refused",{reason:M})},r.whenStopped(()=>{c.clear(),t.messageHandlers[X]=b,S&&(t.messageHandlers[K]=S)}),v(r,t.doc,
"update",(p,d)=>{d!==o&&(e=!0,s=!0,f(),a())}),v(r,t,"status",({status:p})=>{p!=="connected"&&(n=!1,i=!1,p==="disconnected"&&r.put({connection:"offline"}))}),v(r,
t,"connection-error",()=>r.put({connection:"offline"})),v(r,t,"sync",p=>{p&&r.put({connection:"online"})}),v(r,t,"closed",({code:p,reason:d})=>r.put({connection:"\
closed",reason:d||r.state.reason||`close code ${p}`})),r.put({isSaved:!e,connection:t.synced?"online":"connecting"}),r}function qe(o,{isFinal:e=()=>!0}={}){let t=o,
s=Date.now(),n=!1,i=new P({heardAtMs:()=>s,ask(){return n&&t.sendToken(),n},drop(){}}),c=()=>t.authorizedScope==="readonly"?"read":t.authorizedScope?"write":null,
r=()=>i.put({isSaved:!t.hasUnsyncedChanges,access:c(),...n&&t.isSynced&&i.state.connection!=="closed"?{connection:"online",reason:""}:{}});v(i,t,"message",()=>{
s=Date.now(),i.state.connection==="offline"&&r()});for(let a of["synced","unsyncedChanges","authenticated"])v(i,t,a,r);return v(i,t,"status",({status:a})=>{n=a===
"connected",a==="disconnected"&&i.state.connection!=="closed"&&i.put({connection:"offline"})}),v(i,t,"authenticationFailed",({reason:a})=>{e(a)&&i.put({connection:"\
closed",reason:a})}),i}var fe=2e3;function Ue({url:o="/yjs",room:e,doc:t,token:s,WebsocketProvider:n,isDirty:i=!1}){let c=new URL(o,globalThis.location?.href);c.protocol=c.protocol.replace(
"http","ws");let r=!1,a=!1,m=new l,f=d=>d===4504||d===4401&&typeof s=="function"&&!r,w=new n(c.href,e,t,{connect:!1,disableBc:!0,shouldReconnect:({code:d})=>f(d)||
!I(d)}),y=w,b=G(w,{isDirty:i}),S=async()=>{let d;try{d=typeof s=="function"?await s():s}catch{return m.set(S,fe)}if(!a){if(!d)return b.put({connection:"closed",
reason:"there is no token"});y.protocols=["tutti.v1",`auth.${d}`],y.connect()}};y.on("connection-close",d=>{!d||!f(d.code)||(r=d.code===4401,y.shouldConnect=!1,
m.set(S,y.wsUnsuccessfulReconnects>0?fe:0))}),b.on("change",({connection:d})=>{d==="online"&&(r=!1)});let p=()=>{y.shouldConnect&&y.connect()};return globalThis.
addEventListener?.("online",p),S(),{doc:t,provider:w,sync:b,close(){a=!0,m.clear(),globalThis.removeEventListener?.("online",p),b.stop(),w.destroy()}}}export{P as DocumentSync,x as Presence,O as Room,B as Tutti,u as TuttiError,xe as connect,Pe as describeSync,Ue as openDocument,qe as watchHocuspocusProvider,G as watchWebsocketProvider};
